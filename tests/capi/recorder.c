// A recording of every other operation, kept as a program, run twice, timed; against plain loops.
#include "check.h"

enum { TABLE = 10, ROWS = 6, DIM = 8, OUT = 4 };

static const int32_t kIndices[ROWS] = {3, 9, 0, 10, 3, -1};  // two lie outside: rows of zeros

struct data {
  float table[TABLE * DIM], position[3 * DIM], norm_weight[DIM], norm_bias[DIM], weight[OUT * DIM],
      bias[OUT];
};

static void normalize(const float* in, const struct data* d, int centred, double epsilon,
                      float* out) {
  for (int r = 0; r < ROWS; ++r) {
    double mean = 0, square = 0;
    for (int i = 0; i < DIM; ++i) mean += in[r * DIM + i] / (double)DIM;
    if (!centred) mean = 0;
    for (int i = 0; i < DIM; ++i)
      square += (in[r * DIM + i] - mean) * (in[r * DIM + i] - mean) / DIM;
    for (int i = 0; i < DIM; ++i)
      out[r * DIM + i] =
          (float)((in[r * DIM + i] - mean) / sqrt(square + epsilon) * d->norm_weight[i] +
                  (centred ? d->norm_bias[i] : 0));
  }
}

// gather, add, layer_norm, rms_norm, linear with silu.
static void reference(const struct data* d, float* out) {
  float x[ROWS * DIM], y[ROWS * DIM];
  for (int r = 0; r < ROWS; ++r)
    for (int i = 0; i < DIM; ++i) {
      const int inside = kIndices[r] >= 0 && kIndices[r] < TABLE;
      x[r * DIM + i] =
          (inside ? d->table[kIndices[r] * DIM + i] : 0) + d->position[r % 3 * DIM + i];
    }
  normalize(x, d, 1, 1e-5, y);
  normalize(y, d, 0, 0.25, x);
  for (int r = 0; r < ROWS; ++r)
    for (int o = 0; o < OUT; ++o) {
      double sum = d->bias[o];
      for (int i = 0; i < DIM; ++i) sum += (double)x[r * DIM + i] * d->weight[o * DIM + i];
      out[r * OUT + o] = (float)(sum / (1 + exp(-sum)));
    }
}

// A transient tensor of rows; its buffer's handle is released with the others.
static weft_tensor transient(weft_recorder* recorder, weft_buffer** handle) {
  weft_tensor tensor = {.struct_size = sizeof tensor};
  MUST(weft_recorder_transient(recorder, WEFT_DTYPE_F32, 2, (int64_t[]){ROWS, DIM}, &tensor,
                               &error));
  CHECK(tensor.strides[0] == DIM && weft_buffer_mapped(tensor.buffer) == NULL);
  *handle = tensor.buffer;
  return tensor;
}

static void record(weft_recorder* recorder, const struct data* d, const weft_tensor* output) {
  weft_buffer* handles[4];
  const weft_tensor gathered = transient(recorder, &handles[0]),
                    placed = transient(recorder, &handles[1]),
                    normed = transient(recorder, &handles[2]),
                    scaled = transient(recorder, &handles[3]);
  const weft_tensor* norm_weight = TENSOR(WEFT_DTYPE_F32, d->norm_weight, DIM);

  MUST(weft_recorder_label(recorder, "words", &error));
  const weft_gather_call gather = {.struct_size = sizeof gather,
                                   .table = TENSOR(WEFT_DTYPE_F32, d->table, TABLE, DIM),
                                   .indices = TENSOR(WEFT_DTYPE_I32, kIndices, ROWS),
                                   .output = &gathered};
  MUST(weft_gather(recorder, &gather, &error));
  MUST(weft_recorder_label(recorder, NULL, &error));
  const weft_add_call add = {.struct_size = sizeof add,
                             .left = &gathered,
                             .right = TENSOR(WEFT_DTYPE_F32, d->position, 3, DIM),
                             .output = &placed};
  MUST(weft_add(recorder, &add, &error));
  const weft_norm_call layer = {.struct_size = sizeof layer,
                                .epsilon = 1e-5f,
                                .input = &placed,
                                .output = &normed,
                                .weight = norm_weight,
                                .bias = TENSOR(WEFT_DTYPE_F32, d->norm_bias, DIM)};
  MUST(weft_layer_norm(recorder, &layer, &error));
  const weft_norm_call rms = {.struct_size = sizeof rms,
                              .epsilon = 0.25f,
                              .input = &normed,
                              .output = &scaled,
                              .weight = norm_weight};
  MUST(weft_rms_norm(recorder, &rms, &error));
  const weft_linear_call linear = {.struct_size = sizeof linear,
                                   .activation = WEFT_ACTIVATION_SILU,
                                   .input = &scaled,
                                   .weight = TENSOR(WEFT_DTYPE_F32, d->weight, OUT, DIM),
                                   .output = output,
                                   .bias = TENSOR(WEFT_DTYPE_F32, d->bias, OUT)};
  MUST(weft_linear(recorder, &linear, &error));
  for (int i = 0; i < 4; ++i) weft_buffer_release(handles[i]);
}

static void check_times(const weft_program* program) {
  weft_times* times = NULL;
  MUST(weft_program_times(program, &times, &error));
  CHECK(weft_times_count(times) == 5);
  weft_operation_time first = {.struct_size = sizeof first}, last = first;
  MUST(weft_times_get(times, 0, &first, &error));
  MUST(weft_times_get(times, 4, &last, &error));
  CHECK(strcmp(first.name, "gather words") == 0 && strcmp(last.name, "linear") == 0);
  CHECK(first.kernel[0] != '\0' && last.flops > 0 && last.bytes > 0);
  CHECK(first.begin_ns >= 0 && first.end_ns >= first.begin_ns && last.end_ns >= last.begin_ns);
  CHECK(last.begin_ns >= first.begin_ns);
  WRONG("weft_times_get: index is 5; there are 5", weft_times_get(times, 5, &last, &error));
  char* json = NULL;
  MUST(weft_times_trace(times, &json, &error));
  CHECK(json && strstr(json, "gather words") != NULL);
  weft_string_free(json);
  weft_times_release(times);
}

void test_recorder(void) {
  struct data d;
  fill((float*)&d, sizeof d / 4, 11);
  weft_traits traits = {.struct_size = sizeof traits};
  MUST(weft_device_traits(device, &traits, &error));
  const int timed = traits.timestamp_period_ns > 0;

  weft_recorder* recorder = NULL;
  MUST(weft_recorder_create(device, &recorder, &error));
  const weft_tensor* output = TENSOR(WEFT_DTYPE_F32, NULL, ROWS, OUT);
  record(recorder, &d, output);
  weft_program* program = NULL;
  const weft_program_options options = {.struct_size = sizeof options,
                                        .flags = timed ? WEFT_PROGRAM_TIMESTAMPS : 0};
  MUST(weft_recorder_finish(recorder, &options, &program, &error));
  weft_recorder_release(recorder);
  CHECK(weft_program_retain(program) == program);
  weft_program_release(program);
  weft_stats stats = {.struct_size = sizeof stats};
  MUST(weft_program_stats(program, &stats, &error));
  CHECK(stats.operations == 5 && stats.barriers == 4 && stats.submissions == 1);
  CHECK(stats.transient_bytes > 0 && stats.transient_bytes < stats.transient_bytes_summed);
  CHECK(stats.transient_bytes_summed >= 4 * ROWS * DIM * 4);

  float wanted[ROWS * OUT], found[ROWS * OUT], nothing[ROWS * OUT] = {0};
  reference(&d, wanted);
  weft_ticket tickets[2] = {0, 0};
  for (int turn = 0; turn < 2; ++turn) {
    MUST(weft_upload(device, output, nothing, sizeof nothing, &error));
    MUST(weft_program_run(program, &tickets[turn], &error));
    MUST(weft_wait(device, tickets[turn], UINT64_MAX, &error));
    get(output, found);
    CHECK(close_to(found, wanted, ROWS * OUT, 1e-5f));
  }
  CHECK(tickets[1] > tickets[0] && weft_done(device, tickets[1]) == 1);
  MUST(weft_wait(device, 0, 0, &error));
  CHECK(weft_done(device, UINT64_MAX) == 0);
  REFUSED(WEFT_TIMEOUT, "wait", weft_wait(device, tickets[1] + 1000, 1000, &error));
  if (timed) check_times(program);
  weft_program_release(program);
  free_tensors();
}
