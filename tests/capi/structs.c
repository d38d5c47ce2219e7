// Structs of older and newer callers: shorter ones take defaults, longer ones must end in zeros.
#include "check.h"

static weft_tensor *a, *b, *c, *row;  // f32 [2, 4]; row [4]
static weft_tensor *query, *key, *rows;
static weft_recorder* recorder;

static weft_status open_with(const void* in) {
  weft_device* other = NULL;
  const weft_status status = weft_device_open(in, &other, &error);
  CHECK((other == NULL) == (status != WEFT_OK));
  weft_device_release(other);
  return status;
}
static weft_status open_with_allocator(const void* in) {
  const weft_device_options options = {.struct_size = sizeof options, .allocator = in};
  return open_with(&options);
}
static weft_status upload(const void* in) {
  const float data[8] = {1, 2, 3, 4, 5, 6, 7, 8};
  return weft_upload(device, in, data, sizeof data, &error);
}
static weft_status finish(const void* in) {
  weft_program* program = NULL;
  const weft_status status = weft_recorder_finish(recorder, in, &program, &error);
  weft_program_release(program);
  return status;
}
static weft_status attend(const void* in) { return weft_attend(device, in, &error); }
static weft_status explain(const void* in) {
  char* text = NULL;
  const weft_status status = weft_attention_explain(device, in, &text, &error);
  weft_string_free(text);
  return status;
}
static weft_status weights(const void* in) { return weft_attention_weights(recorder, in, &error); }
static weft_status merge(const void* in) { return weft_attention_merge(recorder, in, &error); }
static weft_status linear(const void* in) { return weft_linear(recorder, in, &error); }
static weft_status layer_norm(const void* in) { return weft_layer_norm(recorder, in, &error); }
static weft_status rms_norm(const void* in) { return weft_rms_norm(recorder, in, &error); }
static weft_status add(const void* in) { return weft_add(recorder, in, &error); }
static weft_status multiply(const void* in) { return weft_multiply(recorder, in, &error); }
static weft_status gather(const void* in) { return weft_gather(recorder, in, &error); }
static weft_status mix_keys(const void* in) { return weft_mix_keys(recorder, in, &error); }
static weft_status rotary(const void* in) { return weft_rotary(recorder, in, &error); }

static void* take(void* user, size_t bytes, size_t alignment) {
  (void)user, (void)alignment;
  return malloc(bytes);
}
static void* retake(void* user, void* memory, size_t bytes, size_t alignment) {
  (void)user, (void)alignment;
  return realloc(memory, bytes);
}
static void give(void* user, void* memory) {
  (void)user;
  free(memory);
}

void check_lengths(const void* valid, uint32_t known, uint32_t required,
                   weft_status (*call)(const void*)) {
  enum { LARGEST = 4096 };
  union {
    uint32_t struct_size;
    double alignment;
    unsigned char bytes[LARGEST + 8];
  } in;
  memcpy(in.bytes, valid, known);
  memset(in.bytes + known, 0, sizeof in.bytes - known);
  const uint32_t wrong[] = {0, 3, 4, required - 1, LARGEST + 1, UINT32_MAX};
  for (int i = 0; i < 6; ++i) {
    in.struct_size = wrong[i];
    if (wrong[i] < required || wrong[i] > LARGEST) WRONG(".struct_size is ", call(&in));
  }
  const uint32_t right[] = {known, known + 8, LARGEST};
  for (int i = 0; i < 3; ++i) {
    in.struct_size = right[i];
    MUST(call(&in));
  }
  in.struct_size = known + 8;
  in.bytes[known + 7] = 1;
  REFUSED(WEFT_UNSUPPORTED, " uses byte ", call(&in));
  // The oldest caller: what lies behind its struct is not ours to read.
  memset(in.bytes + required, 0xff, sizeof in.bytes - required);
  in.struct_size = required;
  MUST(call(&in));
}

static void test_inputs(void) {
  const weft_device_options options = {.struct_size = sizeof options};
  IN(options, name, open_with);
  const weft_allocator allocator = {
      .struct_size = sizeof allocator, .allocate = take, .reallocate = retake, .free = give};
  check_lengths(&allocator, sizeof allocator, sizeof allocator, open_with_allocator);
  weft_tensor dense = *a;
  dense.layout = WEFT_LAYOUT_DENSE;
  IN(dense, strides, upload);
  const weft_program_options program = {.struct_size = sizeof program};
  IN(program, flags, finish);

  const weft_attention_call attention = {
      .struct_size = sizeof attention, .query = query, .key = key, .value = key, .output = rows};
  IN(attention, logsumexp, attend);
  const weft_attention_desc desc = {.struct_size = sizeof desc, .head_dim = 4};
  IN(desc, mask, explain);
  const weft_attention_weights_call scaled = {.struct_size = sizeof scaled,
                                              .stage = WEFT_WEIGHTS_SCALED,
                                              .attention = &attention,
                                              .weights = TENSOR(WEFT_DTYPE_F32, NULL, 1, 1, 2, 3)};
  IN(scaled, heads, weights);
  const weft_tensor* sum = TENSOR(WEFT_DTYPE_F32, NULL, 1, 1, 2);
  const weft_attention_merge_call parts = {.struct_size = sizeof parts,
                                           .left_output = query,
                                           .left_logsumexp = sum,
                                           .right_output = query,
                                           .right_logsumexp = sum,
                                           .output = rows};
  IN(parts, logsumexp, merge);
  const weft_linear_call product = {.struct_size = sizeof product,
                                    .input = a,
                                    .weight = b,
                                    .output = TENSOR(WEFT_DTYPE_F32, NULL, 2, 2)};
  IN(product, bias, linear);
  const weft_norm_call norm = {
      .struct_size = sizeof norm, .epsilon = 1e-5f, .input = a, .output = c};
  IN(norm, weight, layer_norm);
  IN(norm, weight, rms_norm);
  const weft_add_call addition = {
      .struct_size = sizeof addition, .left = a, .right = b, .output = c};
  IN(addition, gate, add);
  const weft_multiply_call product_of_each = {
      .struct_size = sizeof product_of_each, .left = a, .right = b, .output = c};
  IN_WHOLE(product_of_each, multiply);
  const weft_gather_call gathered = {.struct_size = sizeof gathered,
                                     .table = a,
                                     .indices = TENSOR(WEFT_DTYPE_I32, NULL, 2),
                                     .output = c};
  IN_WHOLE(gathered, gather);
  const weft_mix_keys_call mixed = {.struct_size = sizeof mixed, .input = query, .output = rows};
  IN(mixed, factors, mix_keys);
  const weft_rotary_call turned = {
      .struct_size = sizeof turned, .input = query, .angles = a, .output = rows};
  IN_WHOLE(turned, rotary);
}

// Fields and flags that must be 0 until a later version gives them a meaning.
static void test_reserved(void) {
  weft_mix_keys_call mixed = {.struct_size = sizeof mixed, .input = query, .output = rows};
  mixed.reserved = 1;
  REFUSED(WEFT_UNSUPPORTED, "call.reserved is 1", mix_keys(&mixed));
  weft_attention_call attention = {
      .struct_size = sizeof attention, .query = query, .key = key, .value = key};
  attention.output = rows;
  attention.flags = 8;
  REFUSED(WEFT_UNSUPPORTED, "call.flags is 8", attend(&attention));
  const weft_device_options options = {.struct_size = sizeof options, .flags = 1u << 31};
  REFUSED(WEFT_UNSUPPORTED, "options.flags is", open_with(&options));
  const weft_program_options program = {.struct_size = sizeof program, .flags = 2};
  REFUSED(WEFT_UNSUPPORTED, "options.flags is 2", finish(&program));
  const weft_attention_desc desc = {
      .struct_size = sizeof desc, .head_dim = 4, .features = 1u << 14};
  REFUSED(WEFT_UNSUPPORTED, "desc.features is 16384", explain(&desc));
}

// What the library fills: as much as the caller has, zeros beyond what it knows itself, nothing
// behind.
static void test_outputs(void) {
  struct {
    weft_traits traits;
    unsigned char behind[16];
  } out;
  memset(&out, 0xaa, sizeof out);
  out.traits.struct_size = offsetof(weft_traits, driver_name);
  MUST(weft_device_traits(device, &out.traits, &error));
  CHECK(out.traits.struct_size == offsetof(weft_traits, driver_name) && out.traits.name[0] != '\0');
  const unsigned char* bytes = (const unsigned char*)&out;
  for (size_t i = offsetof(weft_traits, driver_name); i < sizeof out; ++i) CHECK(bytes[i] == 0xaa);
  out.traits.struct_size = sizeof out.traits + 8;
  MUST(weft_device_traits(device, &out.traits, &error));
  CHECK(out.traits.struct_size == sizeof out.traits + 8 && out.traits.driver_name[0] != '\0');
  for (int i = 0; i < 16; ++i) CHECK(out.behind[i] == (i < 8 ? 0 : 0xaa));
  out.traits.struct_size = 4;
  WRONG("traits.struct_size is 4", weft_device_traits(device, &out.traits, &error));

  // A tensor without strides is dense, in a caller's struct that has none.
  weft_tensor tensor;
  memset(&tensor, 0xaa, sizeof tensor);
  tensor.struct_size = offsetof(weft_tensor, strides);
  MUST(weft_tensor_create(device, WEFT_DTYPE_F32, 1, (int64_t[]){3}, WEFT_MEMORY_DEVICE, &tensor,
                          &error));
  CHECK(tensor.layout == WEFT_LAYOUT_DENSE && tensor.shape[0] == 3 && tensor.shape[1] == 0);
  const float data[3] = {1, 2, 3};
  MUST(weft_upload(device, &tensor, data, sizeof data, &error));
  weft_buffer_release(tensor.buffer);
}

void test_structs(void) {
  a = TENSOR(WEFT_DTYPE_F32, NULL, 2, 4);
  b = TENSOR(WEFT_DTYPE_F32, NULL, 2, 4);
  c = TENSOR(WEFT_DTYPE_F32, NULL, 2, 4);
  row = TENSOR(WEFT_DTYPE_F32, NULL, 4);
  query = TENSOR(WEFT_DTYPE_F32, NULL, 1, 1, 2, 4);
  key = TENSOR(WEFT_DTYPE_F32, NULL, 1, 1, 3, 4);
  rows = TENSOR(WEFT_DTYPE_F32, NULL, 1, 1, 2, 4);
  MUST(weft_recorder_create(device, &recorder, &error));
  test_inputs();
  test_reserved();
  test_outputs();
  weft_recorder_release(recorder);
  free_tensors();
}
