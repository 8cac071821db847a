// A table from Java, by JNA:  javac -cp jna.jar Lookup.java && java -cp jna.jar:. Lookup names.grv
//
// Any number of threads may look up in one table. The text of an error belongs to the thread of the
// failed call: a virtual thread must not be unmounted between the two.

import static java.nio.charset.StandardCharsets.UTF_8;

import com.sun.jna.*;
import com.sun.jna.ptr.PointerByReference;
import java.io.IOException;
import java.util.function.BiConsumer;

public final class Lookup {
    interface Graven extends Library {
        Graven LIB = Native.load("graven", Graven.class);

        int graven_open(String path, Pointer options, PointerByReference table);
        int graven_get(Pointer table, byte[] key, Size len, Slice value);
        int graven_prefix(Pointer table, byte[] prefix, Size len, PointerByReference iter);
        int graven_iter_next(Pointer iter, Slice key, Slice value);
        void graven_iter_close(Pointer iter);
        void graven_table_close(Pointer table);
        String graven_last_error();
    }

    public static final class Size extends IntegerType {
        public Size() { this(0); }
        public Size(long value) { super(Native.SIZE_T_SIZE, value, true); }
    }

    @Structure.FieldOrder({"data", "len"})
    public static final class Slice extends Structure {
        public Pointer data;
        public Size len;

        /** The bytes as an array of Java, which outlives the table. */
        byte[] copy() { return data.getByteArray(0, len.intValue()); }
    }

    /** Whether there is a result. An error, which is below 0, is thrown. */
    static boolean check(int status) throws IOException {
        if (status < 0) throw new IOException(Graven.LIB.graven_last_error());
        return status == 0;
    }

    /** Not to be closed while another thread uses it. */
    static final class Table implements AutoCloseable {
        private Pointer handle;

        Table(String path) throws IOException {
            var place = new PointerByReference();
            check(Graven.LIB.graven_open(path, null, place));
            handle = place.getValue();
        }

        /** The value of a key, or null. */
        byte[] get(byte[] key) throws IOException {
            var value = new Slice();
            return check(Graven.LIB.graven_get(handle, key, new Size(key.length), value)) ? value.copy() : null;
        }

        void prefix(byte[] prefix, BiConsumer<byte[], byte[]> found) throws IOException {
            var iter = new PointerByReference();
            check(Graven.LIB.graven_prefix(handle, prefix, new Size(prefix.length), iter));
            try {
                Slice key = new Slice(), value = new Slice();
                while (check(Graven.LIB.graven_iter_next(iter.getValue(), key, value)))
                    found.accept(key.copy(), value.copy());
            } finally {
                Graven.LIB.graven_iter_close(iter.getValue());
            }
        }

        @Override public void close() {
            Graven.LIB.graven_table_close(handle);
            handle = null; // NULL is an error from here on, never a crash
        }
    }

    public static void main(String[] args) throws IOException {
        try (var table = new Table(args[0])) {
            for (var key : new String[] {"1F980", "10FFFF"}) {
                var value = table.get(key.getBytes(UTF_8));
                System.out.println(key + ": " + (value == null ? "not found" : new String(value, UTF_8)));
            }
            table.prefix("1FBF".getBytes(UTF_8), (key, value) ->
                System.out.println(new String(key, UTF_8) + ": " + new String(value, UTF_8)));
        }
        try {
            new Table("none.grv").close();
        } catch (IOException error) {
            System.out.println("error: " + error.getMessage());
        }
    }
}
