// Operations around attention in small numbers that are worked out by hand; recorder.c runs the
// others.
#include "check.h"

static weft_recorder* recorder;

static void check_output(const weft_tensor* output, const float* wanted, size_t count) {
  float found[16];
  weft_ticket ticket = 0;
  MUST(weft_recorder_submit(recorder, &ticket, &error));
  MUST(weft_wait(device, ticket, UINT64_MAX, &error));
  get(output, found);
  CHECK(close_to(found, wanted, count, 1e-5f));
}

static void test_add(void) {
  const float left[4] = {1, 2, 3, 4}, right[4] = {10, 20, NAN, NAN};
  const float gate[2] = {2, -1}, factors[2] = {3, 0};
  weft_add_call call = {.struct_size = sizeof call,
                        .gate_kind = WEFT_GATE_VALUE,
                        .left = TENSOR(WEFT_DTYPE_F32, left, 2, 2),
                        .right = TENSOR(WEFT_DTYPE_F32, right, 2, 2),
                        .output = TENSOR(WEFT_DTYPE_F32, NULL, 2, 2),
                        .gate = TENSOR(WEFT_DTYPE_F32, gate, 2),
                        .row_factors = TENSOR(WEFT_DTYPE_F32, factors, 2)};
  MUST(weft_add(recorder, &call, &error));
  check_output(call.output, (float[]){61, -58, 3, 4}, 4);
  call.left = NULL;
  call.gate_kind = WEFT_GATE_TANH;
  MUST(weft_add(recorder, &call, &error));
  check_output(call.output, (float[]){30 * tanhf(2), -60 * tanhf(1), 0, 0}, 4);
}

static void test_multiply(void) {
  const float left[4] = {1, -2, -3, 4}, right[2] = {-5, 6};
  const weft_multiply_call call = {.struct_size = sizeof call,
                                   .activation = WEFT_ACTIVATION_QUICK_GELU,
                                   .left = TENSOR(WEFT_DTYPE_F32, left, 2, 2),
                                   .right = TENSOR(WEFT_DTYPE_F32, right, 1, 2),
                                   .output = TENSOR(WEFT_DTYPE_F32, NULL, 2, 2)};
  MUST(weft_multiply(recorder, &call, &error));
  float wanted[4];
  for (int i = 0; i < 4; ++i) wanted[i] = right[i % 2] * left[i] / (1 + expf(-1.702f * left[i]));
  check_output(call.output, wanted, 4);
}

static void test_mix_keys(void) {
  const float input[4] = {1, 2, 3, 4}, factors[2] = {10, 1}, matrix[6] = {1, 1, 0, -1, 2, 0};
  const weft_mix_keys_call call = {.struct_size = sizeof call,
                                   .input = TENSOR(WEFT_DTYPE_F32, input, 1, 1, 2, 2),
                                   .output = TENSOR(WEFT_DTYPE_F32, NULL, 1, 1, 3, 2),
                                   .factors = TENSOR(WEFT_DTYPE_F32, factors, 1, 1, 2),
                                   .matrix = TENSOR(WEFT_DTYPE_F32, matrix, 1, 1, 3, 2)};
  MUST(weft_mix_keys(recorder, &call, &error));
  check_output(call.output, (float[]){13, 24, -3, -4, 20, 40}, 6);
}

static void test_rotary(void) {
  const float input[5] = {1, 2, 3, 4, 5}, quarter = acosf(0);
  const float angles[4] = {quarter, 0, quarter, 0};
  weft_rotary_call call = {.struct_size = sizeof call,
                           .input = TENSOR(WEFT_DTYPE_F32, input, 1, 1, 1, 5),
                           .angles = TENSOR(WEFT_DTYPE_F32, angles, 1, 4),
                           .output = TENSOR(WEFT_DTYPE_F32, NULL, 1, 1, 1, 5)};
  MUST(weft_rotary(recorder, &call, &error));
  check_output(call.output, (float[]){-3, 2, 1, 4, 5}, 5);
  call.interleaved = 1;
  MUST(weft_rotary(recorder, &call, &error));
  check_output(call.output, (float[]){-2, 2, -4, 4, 5}, 5);
}

void test_ops(void) {
  MUST(weft_recorder_create(device, &recorder, &error));
  test_add();
  test_multiply();
  test_mix_keys();
  test_rotary();
  weft_recorder_release(recorder);
  free_tensors();
}
