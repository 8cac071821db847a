// A table from Node, by koffi:  npm install koffi && node lookup.js names.grv
//
// These calls run on the thread of JavaScript. A worker thread may open the table for itself: the
// pages are shared. With koffi's `.async` the text of an error would stay with another thread.

const koffi = require('koffi');
const lib = koffi.load('libgraven.so.0');

koffi.opaque('graven_table');
koffi.opaque('graven_iter');
koffi.struct('graven_slice', { data: 'const void *', len: 'size_t' });
const open = lib.func('int32_t graven_open(const char *path, const void *options, _Out_ graven_table **table)');
const get = lib.func('int32_t graven_get(const graven_table *table, const void *key, size_t len, _Out_ graven_slice *value)');
const prefix = lib.func('int32_t graven_prefix(const graven_table *table, const void *prefix, size_t len, _Out_ graven_iter **iter)');
const next = lib.func('int32_t graven_iter_next(graven_iter *iter, _Out_ graven_slice *key, _Out_ graven_slice *value)');
const closeIter = lib.func('void graven_iter_close(graven_iter *iter)');
const closeTable = lib.func('void graven_table_close(graven_table *table)');
const lastError = lib.func('const char *graven_last_error()');

// Whether there is a result. An error, which is below 0, is thrown.
function check(status) {
    if (status < 0) throw new Error(lastError());
    return status === 0;
}

// The bytes as a buffer of JavaScript, which outlives the table.
function copy({ data, len }) {
    return Buffer.from(koffi.decode(data, koffi.array('uint8_t', len, 'Typed')));
}

class Table {
    #handle = null; // NULL is an error before an open and after a close, never a crash

    constructor(path) {
        const place = [null];
        check(open(path, null, place));
        this.#handle = place[0];
    }

    close() {
        closeTable(this.#handle);
        this.#handle = null;
    }

    get(key) {
        const value = {};
        return check(get(this.#handle, Buffer.from(key), Buffer.byteLength(key), value)) ? copy(value) : undefined;
    }

    *prefix(start) {
        const [place, key, value] = [[null], {}, {}];
        check(prefix(this.#handle, Buffer.from(start), Buffer.byteLength(start), place));
        try {
            while (check(next(place[0], key, value))) yield [copy(key), copy(value)];
        } finally {
            closeIter(place[0]);
        }
    }
}

const table = new Table(process.argv[2]);
try {
    for (const key of ['1F980', '10FFFF']) console.log(`${key}: ${table.get(key) ?? 'not found'}`);
    for (const [key, value] of table.prefix('1FBF')) console.log(`${key}: ${value}`);
} finally {
    table.close();
}
try {
    new Table('none.grv');
} catch (error) {
    console.log(`error: ${error.message}`);
}
