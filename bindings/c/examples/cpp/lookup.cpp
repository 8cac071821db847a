// A table from C++17:  c++ -std=c++17 lookup.cpp $(pkg-config --cflags --libs graven) -o lookup
//                      ./lookup names.grv

#include <graven.h>
#include <iostream>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>

// Whether there is a result. An error, which is below 0, is thrown. The text of an error belongs to
// the thread of the failed call.
static bool check(graven_status status) {
    if (status < 0)
        throw std::runtime_error(graven_last_error());
    return status == GRAVEN_OK;
}

static std::string_view view(graven_slice slice) {
    return {reinterpret_cast<const char *>(slice.data), slice.len};
}

// Any number of threads may use a table at once. Views lie in the table: they are valid until the
// table and all walks that were begun on it are destroyed. Whoever needs bytes longer copies them.
class Table {
  public:
    explicit Table(const std::string &path) {
        graven_table *table = nullptr;
        check(graven_open(path.c_str(), nullptr, &table));
        handle.reset(table);
    }

    std::optional<std::string_view> get(std::string_view key) const {
        graven_slice value;
        if (!check(graven_get(handle.get(), key.data(), key.size(), &value)))
            return std::nullopt;
        return view(value);
    }

    // Calls a function for each entry whose key begins with a prefix, in order.
    template <typename Each> void prefix(std::string_view prefix, Each each) const {
        graven_iter *iter = nullptr;
        check(graven_prefix(handle.get(), prefix.data(), prefix.size(), &iter));
        // Closes the walk also if `each` throws.
        std::unique_ptr<graven_iter, Close> walk(iter);
        graven_slice key, value;
        while (check(graven_iter_next(walk.get(), &key, &value)))
            each(view(key), view(value));
    }

  private:
    struct Close {
        void operator()(graven_table *table) const { graven_table_close(table); }
        void operator()(graven_iter *iter) const { graven_iter_close(iter); }
    };
    std::unique_ptr<graven_table, Close> handle;
};

int main(int argc, char **argv) try {
    if (argc != 2)
        throw std::runtime_error("usage: lookup TABLE");
    const Table table(argv[1]);
    for (std::string_view key : {"1F980", "10FFFF"})
        std::cout << key << ": " << table.get(key).value_or("not found") << '\n';
    table.prefix("1FBF", [](auto key, auto value) { std::cout << key << ": " << value << '\n'; });
    try {
        Table none("none.grv");
    } catch (const std::runtime_error &error) {
        std::cout << "error: " << error.what() << '\n';
    }
} catch (const std::exception &error) {
    std::cerr << error.what() << '\n';
    return 1;
}
