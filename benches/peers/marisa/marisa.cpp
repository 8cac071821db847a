// What the harness needs of marisa-trie, without C++ in its signatures.

#include <cstddef>
#include <cstdint>
#include <marisa.h>
#include <new>

extern "C" {

int peers_marisa_build(const unsigned char *keys, const size_t *ends, size_t count, uint32_t *numbers,
                       const char *path) {
    try {
        marisa::Keyset set;
        size_t start = 0;
        for (size_t i = 0; i < count; start = ends[i++])
            set.push_back(reinterpret_cast<const char *>(keys) + start, ends[i] - start);
        marisa::Trie trie;
        trie.build(set);
        for (size_t i = 0; i < count; i++)
            numbers[i] = static_cast<uint32_t>(set[i].id());
        trie.save(path);
        return 0;
    } catch (const std::exception &) {
        return 1;
    }
}

void *peers_marisa_open(const char *path) {
    try {
        marisa::Trie *trie = new marisa::Trie;
        trie->mmap(path);
        return trie;
    } catch (const std::exception &) {
        return nullptr;
    }
}

void peers_marisa_close(void *trie) { delete static_cast<marisa::Trie *>(trie); }

void *peers_marisa_agent() { return new (std::nothrow) marisa::Agent; }

void peers_marisa_free(void *agent) { delete static_cast<marisa::Agent *>(agent); }

int64_t peers_marisa_get(const void *trie, void *agent, const unsigned char *key, size_t len) {
    marisa::Agent &asked = *static_cast<marisa::Agent *>(agent);
    asked.set_query(reinterpret_cast<const char *>(key), len);
    if (!static_cast<const marisa::Trie *>(trie)->lookup(asked))
        return -1;
    return static_cast<int64_t>(asked.key().id());
}

void peers_marisa_restart(void *agent) { static_cast<marisa::Agent *>(agent)->set_query(""); }

int64_t peers_marisa_next(const void *trie, void *agent, const unsigned char **key, size_t *len) {
    marisa::Agent &walk = *static_cast<marisa::Agent *>(agent);
    if (!static_cast<const marisa::Trie *>(trie)->predictive_search(walk))
        return -1;
    *key = reinterpret_cast<const unsigned char *>(walk.key().ptr());
    *len = walk.key().length();
    return static_cast<int64_t>(walk.key().id());
}
}
