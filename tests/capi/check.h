// What the C tests share: checks that count, one device, and tensors made in one line.
#ifndef WEFT_TESTS_CAPI_CHECK_H
#define WEFT_TESTS_CAPI_CHECK_H

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <weft.h>

// Prints what failed and counts it. Returns `good`.
int check_at(int good, const char* file, int line, const char* what);
// A call that must succeed; `error` is the one it was given.
int must_at(weft_status status, const weft_error* error, const char* file, int line,
            const char* what);
// A call that must fail with this code and a message that has this part.
int refused_at(weft_status status, weft_status wanted, const char* part, const char* file,
               int line);

extern weft_error error;  // for all calls of the tests
#define CHECK(condition) check_at(!!(condition), __FILE__, __LINE__, #condition)
#define MUST(call) must_at((call), &error, __FILE__, __LINE__, #call)
#define REFUSED(status, part, call) refused_at((call), (status), (part), __FILE__, __LINE__)
#define WRONG(part, call) REFUSED(WEFT_INVALID_ARGUMENT, part, call)

extern weft_device* device;  // open throughout, with the validation layer

// A dense tensor that holds `data`, or zeros where that is NULL. Freed by free_tensors.
weft_tensor* make_tensor(weft_dtype dtype, uint32_t rank, const int64_t* shape, const void* data);
#define TENSOR(dtype, data, ...) \
  make_tensor((dtype), sizeof((int64_t[]){__VA_ARGS__}) / 8, (int64_t[]){__VA_ARGS__}, (data))
void free_tensors(void);
uint64_t bytes_of(const weft_tensor* tensor);
void get(const weft_tensor* tensor, void* data);  // downloads all of it

// Numbers in [-1, 1), always the same.
void fill(float* data, size_t count, uint32_t seed);
int close_to(const float* found, const float* wanted, size_t count, float tolerance);

// Gives `valid`, a correct struct of `known` bytes of which the first `required` are always needed,
// in every length.
void check_lengths(const void* valid, uint32_t known, uint32_t required,
                   weft_status (*call)(const void*));
#define IN(valid, first_optional, call)  \
  check_lengths(&(valid), sizeof(valid), \
                (uint32_t)((const char*)&(valid).first_optional - (const char*)&(valid)), call)
#define IN_WHOLE(valid, call) check_lengths(&(valid), sizeof(valid), sizeof(valid), call)

void test_attention(void);
void test_block_structs(void);
void test_blocks(void);
void test_families(void);
void test_ops(void);
void test_recorder(void);
void test_structs(void);
void test_tune(void);
void test_wrong_blocks(void);
void test_wrong_calls(void);
void test_allocators(void);
// Makes the C++ operator new of this thread fail after `more` successes; -1: never.
void fail_new_after(int more);

#endif
