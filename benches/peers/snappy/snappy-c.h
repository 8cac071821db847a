/* What Sparkey calls of snappy, so that it compiles where snappy's header is not installed. Names
   and types are those of snappy's own C interface. Cargo's configuration puts this folder on the
   path; ../build.rs says what is linked. */
#pragma once
#include <stddef.h>

typedef enum { SNAPPY_OK = 0, SNAPPY_INVALID_INPUT = 1, SNAPPY_BUFFER_TOO_SMALL = 2 } snappy_status;

snappy_status snappy_compress(const char *input, size_t input_length, char *compressed, size_t *compressed_length);
snappy_status snappy_uncompress(const char *compressed, size_t compressed_length, char *uncompressed,
                                size_t *uncompressed_length);
size_t snappy_max_compressed_length(size_t source_length);
