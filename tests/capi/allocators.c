// Host memory of the app's own: all of it comes back, and running out of it is an error like any
// other.
#include <stdatomic.h>

#include "check.h"

struct counts {
  atomic_long live, made;
  atomic_int fails;  // allocate and reallocate give NULL
};

// Before each block: where it began and how long it is.
struct header {
  void* base;
  size_t bytes;
};

static void* take(void* user, size_t bytes, size_t alignment) {
  struct counts* counts = user;
  if (counts->fails) return NULL;
  char* base = malloc(bytes + alignment + sizeof(struct header));
  if (!base) return NULL;
  const uintptr_t first = (uintptr_t)base + sizeof(struct header);
  char* memory = base + sizeof(struct header) + (alignment - first % alignment) % alignment;
  const struct header header = {base, bytes};
  memcpy(memory - sizeof header, &header, sizeof header);
  ++counts->live;
  ++counts->made;
  return memory;
}

static void give(void* user, void* memory) {
  if (!memory) return;
  struct counts* counts = user;
  --counts->live;
  struct header header;
  memcpy(&header, (char*)memory - sizeof header, sizeof header);
  free(header.base);
}

static void* retake(void* user, void* memory, size_t bytes, size_t alignment) {
  if (bytes == 0) {
    give(user, memory);
    return NULL;
  }
  void* moved = take(user, bytes, alignment);
  if (moved && memory) {
    struct header header;
    memcpy(&header, (char*)memory - sizeof header, sizeof header);
    memcpy(moved, memory, header.bytes < bytes ? header.bytes : bytes);
    give(user, memory);
  }
  return moved;
}

static weft_status count_calls(void* user, weft_recorder* recorder, const weft_attention_call* call,
                               weft_error* e) {
  ++*(int*)user;
  return weft_attention(recorder, call, e);
}

// A block whose callback and prepared tensors take handles: none is left behind where they run out.
static void record_block(weft_recorder* recorder, const weft_tensor* words,
                         const weft_tensor* output, struct counts* counts) {
  weft_tensor in = *words, out = *output;  // as [3, 8]
  in.rank = out.rank = 2;
  in.layout = out.layout = WEFT_LAYOUT_DENSE;
  in.shape[0] = out.shape[0] = 3;
  in.shape[1] = out.shape[1] = 8;
  const weft_cross_attention_block block = {.struct_size = sizeof block};
  const weft_prepare_call prepare = {.struct_size = sizeof prepare, .context = &in};
  weft_tensor key = {.struct_size = sizeof key}, value = {.struct_size = sizeof value};
  MUST(weft_prepare_context(recorder, &block, &prepare, &key, &value, &error));
  int calls = 0;
  const weft_cross_attention_call call = {.struct_size = sizeof call,
                                          .query = &in,
                                          .output = &out,
                                          .prepared_key = &key,
                                          .prepared_value = &value,
                                          .attend = count_calls,
                                          .attend_user = &calls};
  MUST(weft_cross_attention(recorder, &block, &call, &error));
  const long before = counts->live;
  counts->fails = 1;
  REFUSED(WEFT_OUT_OF_MEMORY, "weft_cross_attention: no host memory for the handle",
          weft_cross_attention(recorder, &block, &call, &error));
  weft_tensor no_key = {.struct_size = sizeof no_key}, no_value = no_key;
  REFUSED(WEFT_OUT_OF_MEMORY, "",
          weft_prepare_context(recorder, &block, &prepare, &no_key, &no_value, &error));
  counts->fails = 0;
  CHECK(calls == 1 && counts->live == before && !no_key.buffer && !no_value.buffer);
  weft_buffer_release(key.buffer);
  weft_buffer_release(value.buffer);
}

// Work of every kind on a device of its own, and handles that outlive it.
static void work(weft_device* other, struct counts* counts) {
  const weft_attention_desc desc = {.struct_size = sizeof desc, .head_dim = 8};
  const int64_t shape[] = {1, 1, 3, 8};
  weft_tensor words = {.struct_size = sizeof words}, output = words;
  MUST(weft_tensor_create(other, WEFT_DTYPE_F32, 4, shape, WEFT_MEMORY_DEVICE, &words, &error));
  MUST(weft_tensor_create(other, WEFT_DTYPE_F32, 4, shape, WEFT_MEMORY_DEVICE, &output, &error));
  float data[24];
  fill(data, 24, 3);
  MUST(weft_upload(other, &words, data, sizeof data, &error));
  const weft_attention_call call = {.struct_size = sizeof call,
                                    .query = &words,
                                    .key = &words,
                                    .value = &words,
                                    .output = &output};
  MUST(weft_attend(other, &call, &error));
  MUST(weft_download(other, &output, data, sizeof data, &error));

  weft_plan* plan = NULL;
  weft_recorder* recorder = NULL;
  char *text = NULL, *none = NULL;
  const long before = counts->made;
  MUST(weft_recorder_create(other, &recorder, &error));
  CHECK(counts->made == before + 1);  // the handle
  MUST(weft_attention_explain(other, &desc, &text, &error));
  CHECK(counts->made == before + 2);  // the text
  MUST(weft_plan_create(other, &desc, &plan, &error));

  counts->fails = 1;
  weft_recorder* no_recorder = NULL;
  REFUSED(WEFT_OUT_OF_MEMORY,
          "weft_recorder_create: ", weft_recorder_create(other, &no_recorder, &error));
  REFUSED(WEFT_OUT_OF_MEMORY,
          "weft_attention_explain: ", weft_attention_explain(other, &desc, &none, &error));
  CHECK(no_recorder == NULL && none == NULL);
  counts->fails = 0;

  MUST(weft_plan_record(plan, recorder, &call, &error));
  record_block(recorder, &words, &output, counts);
  weft_program* program = NULL;
  MUST(weft_recorder_finish(recorder, NULL, &program, &error));
  MUST(weft_program_run(program, NULL, &error));
  weft_device_release(other);
  weft_recorder_release(recorder);
  weft_plan_release(plan);
  weft_program_release(program);
  weft_buffer_release(words.buffer);
  weft_buffer_release(output.buffer);
  CHECK(counts->live == 1);  // the text needs no device
  weft_string_free(text);
}

static void test_host_allocator(void) {
  struct counts counts = {0};
  const weft_allocator allocator = {.struct_size = sizeof allocator,
                                    .user = &counts,
                                    .allocate = take,
                                    .reallocate = retake,
                                    .free = give};
  const weft_device_options options = {.struct_size = sizeof options, .allocator = &allocator};
  weft_device* other = NULL;
  if (!MUST(weft_device_open(&options, &other, &error))) return;
  CHECK(counts.made > 1 && counts.live > 1);  // the driver's too
  work(other, &counts);
  CHECK(counts.live == 0);

  weft_allocator partial = allocator;
  partial.reallocate = NULL;
  const weft_device_options wrong = {.struct_size = sizeof wrong, .allocator = &partial};
  WRONG("options.allocator must have all three functions",
        weft_device_open(&wrong, &other, &error));
  CHECK(counts.live == 0);
}

// The C++ operator new fails at the first, second, third ... use, until a call needs no more.
#define EVERY_NEW_FAILS(call)                                                             \
  for (int more = 0, done = 0; !done; ++more) {                                           \
    fail_new_after(more);                                                                 \
    const weft_status status = (call);                                                    \
    fail_new_after(-1);                                                                   \
    done = status == WEFT_OK;                                                             \
    if (more == 0) CHECK(!done);                                                          \
    if (!done && !REFUSED(WEFT_OUT_OF_MEMORY, "host memory is exhausted", status)) break; \
  }

static void test_operator_new(void) {
#ifndef WEFT_NO_EXCEPTIONS
  const weft_attention_desc desc = {.struct_size = sizeof desc, .head_dim = 8};
  char* text = NULL;
  EVERY_NEW_FAILS(weft_attention_explain(device, &desc, &text, &error));
  CHECK(text != NULL);
  weft_string_free(text);
  weft_recorder* recorder = NULL;
  EVERY_NEW_FAILS(weft_recorder_create(device, &recorder, &error));
  EVERY_NEW_FAILS(
      weft_recorder_label(recorder, "a label that is too long to be kept in place", &error));
  const weft_tensor *x = TENSOR(WEFT_DTYPE_F32, NULL, 2, 8),
                    *y = TENSOR(WEFT_DTYPE_F32, NULL, 2, 8);
  const weft_add_call add = {.struct_size = sizeof add, .left = x, .right = y, .output = x};
  MUST(weft_add(recorder, &add, &error));  // the pipeline is there from now on
  EVERY_NEW_FAILS(weft_add(recorder, &add, &error));
  MUST(weft_recorder_submit(recorder, NULL, &error));

  const weft_cross_attention_block block = {.struct_size = sizeof block,
                                            .name = "a name that is too long to be kept in place"};
  const weft_tensor* output = TENSOR(WEFT_DTYPE_F32, NULL, 2, 8);
  const weft_cross_attention_call call = {
      .struct_size = sizeof call, .query = x, .context = y, .output = output};
  MUST(weft_cross_attention(recorder, &block, &call, &error));
  weft_program* program = NULL;
  weft_stats once = {.struct_size = sizeof once}, again = once;
  MUST(weft_recorder_finish(recorder, NULL, &program, &error));
  MUST(weft_program_stats(program, &once, &error));
  weft_program_release(program);
  EVERY_NEW_FAILS(weft_cross_attention(recorder, &block, &call, &error));
  MUST(weft_recorder_finish(recorder, NULL, &program, &error));
  MUST(weft_program_stats(program, &again, &error));
  CHECK(again.operations == once.operations);  // those that failed left nothing
  weft_program_release(program);
  weft_recorder_release(recorder);
  free_tensors();
#endif
}

void test_allocators(void) {
  test_host_allocator();
  test_operator_new();
}
