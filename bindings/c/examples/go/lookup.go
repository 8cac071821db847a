// A table from Go, by cgo:  go build lookup.go && ./lookup names.grv
package main

// #cgo pkg-config: graven
// #include <graven.h>
// #include <stdlib.h>
import "C"

import (
	"errors"
	"fmt"
	"os"
	"runtime"
	"unsafe"
)

// Table may be used by any number of goroutines at once, and is closed when none uses it.
type Table struct{ handle *C.graven_table }

// check calls C and says whether there is a result. The text of an error belongs to the thread of
// the failed call, so the goroutine stays on it until the text is copied.
func check(call func() C.graven_status) (bool, error) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	status := call()
	if status < 0 {
		return false, errors.New(C.GoString(C.graven_last_error()))
	}
	return status == C.GRAVEN_OK, nil
}

func Open(path string) (table Table, err error) {
	name := C.CString(path)
	defer C.free(unsafe.Pointer(name))
	_, err = check(func() C.graven_status { return C.graven_open(name, nil, &table.handle) })
	return table, err
}

func (table *Table) Close() {
	C.graven_table_close(table.handle)
	table.handle = nil // NULL is an error from here on, never a crash
}

// first is the address of bytes for one call of C, which keeps none.
func first(bytes []byte) unsafe.Pointer {
	if len(bytes) == 0 {
		return nil
	}
	return unsafe.Pointer(&bytes[0])
}

// copied gives bytes that outlive the table.
func copied(slice C.graven_slice) []byte {
	return append([]byte{}, unsafe.Slice((*byte)(slice.data), int(slice.len))...)
}

// Get gives the value of a key, or nil.
func (table Table) Get(key []byte) ([]byte, error) {
	var value C.graven_slice
	found, err := check(func() C.graven_status {
		return C.graven_get(table.handle, first(key), C.size_t(len(key)), &value)
	})
	if !found {
		return nil, err
	}
	return copied(value), nil
}

// Prefix calls a function for each entry whose key begins with a prefix, in order.
func (table Table) Prefix(prefix []byte, each func(key, value []byte)) error {
	var iter *C.graven_iter
	found, err := check(func() C.graven_status {
		return C.graven_prefix(table.handle, first(prefix), C.size_t(len(prefix)), &iter)
	})
	defer func() { C.graven_iter_close(iter) }()
	for found {
		var key, value C.graven_slice
		found, err = check(func() C.graven_status { return C.graven_iter_next(iter, &key, &value) })
		if found {
			each(copied(key), copied(value))
		}
	}
	return err
}

func must(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func main() {
	table, err := Open(os.Args[1])
	must(err)
	defer table.Close()
	for _, key := range []string{"1F980", "10FFFF"} {
		value, err := table.Get([]byte(key))
		must(err)
		if value == nil {
			value = []byte("not found")
		}
		fmt.Printf("%s: %s\n", key, value)
	}
	must(table.Prefix([]byte("1FBF"), func(key, value []byte) { fmt.Printf("%s: %s\n", key, value) }))
	_, err = Open("none.grv")
	fmt.Println("error:", err)
}
