// Fusion blocks through the C ABI against plain loops in double precision.
#include "check.h"

enum { B = 2, T = 5, S = 7, D = 8, C = 6, H = 2, F = 12 };  // batch, lengths, dims, heads, hidden

static weft_recorder* recorder;
static float numbers[1024];  // fill()ed once: weights and inputs are parts of it

static void run(void) {
  weft_ticket ticket = 0;
  MUST(weft_recorder_submit(recorder, &ticket, &error));
  MUST(weft_wait(device, ticket, UINT64_MAX, &error));
}

static void check_rows(const weft_tensor* output, const float* wanted, size_t count) {
  float found[B * S * D];
  get(output, found);
  CHECK(close_to(found, wanted, count, 1e-4f));
}

// ---- Plain loops ----

static void linear(const float* x, int rows, int in, const float* weight, const float* bias,
                   int out, float* y) {
  for (int r = 0; r < rows; ++r)
    for (int o = 0; o < out; ++o) {
      double sum = bias ? bias[o] : 0;
      for (int i = 0; i < in; ++i) sum += (double)x[r * in + i] * weight[o * in + i];
      y[r * out + o] = (float)sum;
    }
}

static void layer_norm(const float* x, int rows, const float* weight, const float* bias, float* y) {
  for (int r = 0; r < rows; ++r) {
    double mean = 0, square = 0;
    for (int i = 0; i < D; ++i) mean += x[r * D + i] / (double)D;
    for (int i = 0; i < D; ++i) square += (x[r * D + i] - mean) * (x[r * D + i] - mean) / D;
    for (int i = 0; i < D; ++i)
      y[r * D + i] = (float)((x[r * D + i] - mean) / sqrt(square + 1e-5) * weight[i] + bias[i]);
  }
}

// query [items, t, D], key and value [items, s, D], of `heads` heads.
static void attend(const float* query, const float* key, const float* value, int items, int heads,
                   int t, int s, const int32_t* lengths, double scale, float* y) {
  const int d = D / heads;
  for (int b = 0; b < items; ++b)
    for (int h = 0; h < heads; ++h)
      for (int i = 0; i < t; ++i) {
        double sum = 0, out[D] = {0};
        for (int j = 0; j < (lengths ? lengths[b] : s); ++j) {
          double score = 0;
          for (int c = h * d; c < (h + 1) * d; ++c)
            score += (double)query[(b * t + i) * D + c] * key[(b * s + j) * D + c];
          const double weight = exp(score * scale);
          sum += weight;
          for (int c = h * d; c < (h + 1) * d; ++c) out[c] += weight * value[(b * s + j) * D + c];
        }
        for (int c = h * d; c < (h + 1) * d; ++c) y[(b * t + i) * D + c] = (float)(out[c] / sum);
      }
}

// ---- A whole block ----

static const int32_t kLengths[B] = {7, 3};
static const float *query_weight = numbers, *key_weight = numbers + 64,
                   *value_weight = numbers + 112, *out_weight = numbers + 160,
                   *up_weight = numbers + 224, *down_weight = numbers + 320,
                   *norm_weight = numbers + 416, *norm_bias = numbers + 424,
                   *out_bias = numbers + 432, *gate_value = numbers + 440, *query = numbers + 448,
                   *context = numbers + 528;

struct parts {
  weft_projection query, key, value, out, up, down;
  weft_norm norm;
  weft_gate gate;
  weft_feed_forward_block feed_forward;
  weft_cross_attention_block block;
};

static weft_projection projection(const float* weight, int out, int in, const float* bias) {
  return (weft_projection){.struct_size = sizeof(weft_projection),
                           .weight = TENSOR(WEFT_DTYPE_F32, weight, out, in),
                           .bias = bias ? TENSOR(WEFT_DTYPE_F32, bias, out) : NULL};
}

static void make_parts(struct parts* p) {
  p->query = projection(query_weight, D, D, NULL);
  p->key = projection(key_weight, D, C, NULL);
  p->value = projection(value_weight, D, C, NULL);
  p->out = projection(out_weight, D, D, out_bias);
  p->up = projection(up_weight, F, D, NULL);
  p->down = projection(down_weight, D, F, NULL);
  p->norm = (weft_norm){.struct_size = sizeof p->norm,
                        .kind = WEFT_NORM_LAYER,
                        .weight = TENSOR(WEFT_DTYPE_F32, norm_weight, D),
                        .bias = TENSOR(WEFT_DTYPE_F32, norm_bias, D)};
  p->gate = (weft_gate){.struct_size = sizeof p->gate,
                        .kind = WEFT_GATE_TANH,
                        .value = TENSOR(WEFT_DTYPE_F32, gate_value, 1)};
  p->feed_forward = (weft_feed_forward_block){.struct_size = sizeof p->feed_forward,
                                              .activation = WEFT_ACTIVATION_RELU,
                                              .up = &p->up,
                                              .down = &p->down,
                                              .norm = &p->norm};
  p->block = (weft_cross_attention_block){.struct_size = sizeof p->block,
                                          .name = "layer",
                                          .heads = H,
                                          .query = &p->query,
                                          .key = &p->key,
                                          .value = &p->value,
                                          .out = &p->out,
                                          .query_norm = &p->norm,
                                          .gate = &p->gate,
                                          .feed_forward = &p->feed_forward};
}

static void feed_forward_reference(const float* x, int rows, float* y) {
  float n[B * T * D], hidden[B * T * F];
  layer_norm(x, rows, norm_weight, norm_bias, n);
  linear(n, rows, D, up_weight, NULL, F, hidden);
  for (int i = 0; i < rows * F; ++i) hidden[i] = fmaxf(hidden[i], 0);
  linear(hidden, rows, F, down_weight, NULL, D, y);
  for (int i = 0; i < rows * D; ++i) y[i] += x[i];
}

static void block_reference(double scale, float* y) {
  float n[B * T * D], q[B * T * D], k[B * S * D], v[B * S * D], a[B * T * D], x[B * T * D];
  layer_norm(query, B * T, norm_weight, norm_bias, n);
  linear(n, B * T, D, query_weight, NULL, D, q);
  linear(context, B * S, C, key_weight, NULL, D, k);
  linear(context, B * S, C, value_weight, NULL, D, v);
  attend(q, k, v, B, H, T, S, kLengths, scale, a);
  linear(a, B * T, D, out_weight, out_bias, D, x);
  for (int i = 0; i < B * T * D; ++i) x[i] = query[i] + tanhf(gate_value[0]) * x[i];
  feed_forward_reference(x, B * T, y);
}

static weft_cross_attention_call call_of(const weft_attention_call* options) {
  return (weft_cross_attention_call){.struct_size = sizeof(weft_cross_attention_call),
                                     .query = TENSOR(WEFT_DTYPE_F32, query, B, T, D),
                                     .context = TENSOR(WEFT_DTYPE_F32, context, B, S, C),
                                     .output = TENSOR(WEFT_DTYPE_F32, NULL, B, T, D),
                                     .attention = options};
}

static weft_attention_call options_of(void) {
  return (weft_attention_call){.struct_size = sizeof(weft_attention_call),
                               .kv_lengths = TENSOR(WEFT_DTYPE_I32, kLengths, B)};
}

// At once, in a program that runs twice, and from a context that was prepared before.
static void test_block(void) {
  struct parts p;
  make_parts(&p);
  float wanted[B * T * D];
  block_reference(0.5, wanted);
  const weft_attention_call options = options_of();
  weft_cross_attention_call call = call_of(&options);
  MUST(weft_cross_attention(recorder, &p.block, &call, &error));
  weft_program* program = NULL;
  MUST(weft_recorder_finish(recorder, NULL, &program, &error));
  for (int i = 0; i < 2; ++i) MUST(weft_program_run(program, NULL, &error));
  weft_program_release(program);
  check_rows(call.output, wanted, B * T * D);

  weft_tensor key = {.struct_size = sizeof key}, value = {.struct_size = sizeof value};
  const weft_prepare_call prepare = {
      .struct_size = sizeof prepare, .q_len = T, .context = call.context};
  MUST(weft_prepare_context(recorder, &p.block, &prepare, &key, &value, &error));
  CHECK(key.rank == 4 && key.shape[1] == H && value.shape[2] == S);
  call.context = NULL;
  call.prepared_key = &key;
  call.prepared_value = &value;
  call.output = TENSOR(WEFT_DTYPE_F32, NULL, B, T, D);
  MUST(weft_cross_attention(recorder, &p.block, &call, &error));
  run();
  weft_buffer_release(key.buffer);
  weft_buffer_release(value.buffer);
  check_rows(call.output, wanted, B * T * D);
}

static void test_feed_forward(void) {
  struct parts p;
  make_parts(&p);
  const float factors[B * T] = {1, 1, 0, 1, 1, 1, 0, 1, 1, 1};
  const weft_tensor *input = TENSOR(WEFT_DTYPE_F32, query, B, T, D),
                    *output = TENSOR(WEFT_DTYPE_F32, NULL, B, T, D),
                    *rows = TENSOR(WEFT_DTYPE_F32, factors, B, T);
  float wanted[B * T * D];
  feed_forward_reference(query, B * T, wanted);
  MUST(weft_feed_forward(recorder, &p.feed_forward, input, output, NULL, &error));
  run();
  check_rows(output, wanted, B * T * D);
  MUST(weft_feed_forward(recorder, &p.feed_forward, input, output, rows, &error));
  run();
  for (int r = 0; r < B * T; ++r)
    if (factors[r] == 0) memcpy(wanted + r * D, query + r * D, D * sizeof(float));
  check_rows(output, wanted, B * T * D);
}

// ---- A callback in place of the attention ----

struct steered {
  int calls;
  weft_buffer* kept;
  weft_status returns;
  const char* says;
};

static weft_status twice_the_scale(void* user, weft_recorder* r, const weft_attention_call* call,
                                   weft_error* e) {
  struct steered* s = user;
  ++s->calls;
  CHECK(call->query->shape[1] == H && call->query->shape[2] == T && call->key->shape[2] == S);
  CHECK(call->kv_lengths && call->kv_lengths->dtype == WEFT_DTYPE_I32 && !call->logsumexp);
  CHECK((call->flags & WEFT_ATTENTION_LIMIT_LEFT) && call->window_left == 100);
  s->kept = weft_buffer_retain(call->output->buffer);
  weft_ticket ticket = 0;
  weft_program* program = NULL;
  WRONG("weft_recorder_submit: recorder records a block", weft_recorder_submit(r, &ticket, &error));
  WRONG("weft_recorder_finish: recorder records a block",
        weft_recorder_finish(r, NULL, &program, &error));
  weft_attention_call other = *call;
  other.scale = 1.0f;  // the block's own is a half
  return weft_attention(r, &other, e);
}

static weft_status refuses(void* user, weft_recorder* r, const weft_attention_call* call,
                           weft_error* e) {
  (void)r, (void)call;
  const struct steered* s = user;
  if (s->says) strcpy(e->message, s->says);
  return s->returns;
}

static void test_callback(void) {
  struct parts p;
  make_parts(&p);
  float wanted[B * T * D];
  block_reference(1.0, wanted);
  weft_attention_call options = options_of();
  options.flags = WEFT_ATTENTION_LIMIT_LEFT;
  options.window_left = 100;
  struct steered steered = {0};
  weft_cross_attention_call call = call_of(&options);
  call.attend = twice_the_scale;
  call.attend_user = &steered;
  MUST(weft_cross_attention(recorder, &p.block, &call, &error));
  CHECK(steered.calls == 1 && steered.kept != NULL);
  run();
  weft_buffer_release(steered.kept);
  check_rows(call.output, wanted, B * T * D);

  call.attend = refuses;
  steered.returns = WEFT_TIMEOUT;
  steered.says = "words: not today";
  REFUSED(WEFT_TIMEOUT, "words: not today",
          weft_cross_attention(recorder, &p.block, &call, &error));
  steered.returns = 99;
  steered.says = NULL;
  REFUSED(WEFT_INTERNAL, "weft_cross_attention: attend returned 99",
          weft_cross_attention(recorder, &p.block, &call, &error));
  steered.returns = -1;
  REFUSED(WEFT_INTERNAL, "attend returned -1",
          weft_cross_attention(recorder, &p.block, &call, &error));
  weft_program* program = NULL;
  weft_stats stats = {.struct_size = sizeof stats};
  MUST(weft_recorder_finish(recorder, NULL, &program, &error));
  MUST(weft_program_stats(program, &stats, &error));
  CHECK(stats.operations == 0);  // those that failed left nothing
  weft_program_release(program);
}

// ---- More than one context ----

// A further source, at half its strength on every second row.
static void test_more_sources(void) {
  struct parts p;
  make_parts(&p);
  const weft_attention_source source = {
      .struct_size = sizeof source, .key = &p.key, .value = &p.value};
  const weft_attention_source* sources[] = {&source};
  p.block.more_sources = sources;
  p.block.more_source_count = 1;
  p.block.feed_forward = NULL;
  p.block.gate = NULL;
  p.block.out = NULL;
  const float half = 0.5f, factors[B * T] = {1, 0, 1, 0, 1, 0, 1, 0, 1, 0};
  const weft_gate gate = {.struct_size = sizeof gate,
                          .kind = WEFT_GATE_VALUE,
                          .value = TENSOR(WEFT_DTYPE_F32, &half, 1)};
  const weft_source_call other = {.struct_size = sizeof other,
                                  .context = TENSOR(WEFT_DTYPE_F32, context, B, S, C),
                                  .gate = &gate,
                                  .row_factors = TENSOR(WEFT_DTYPE_F32, factors, B, T)};
  const weft_source_call* others[] = {&other};
  weft_cross_attention_call call = call_of(NULL);
  call.more_sources = others;
  call.more_source_count = 1;
  MUST(weft_cross_attention(recorder, &p.block, &call, &error));
  run();
  float n[B * T * D], q[B * T * D], k[B * S * D], v[B * S * D], wanted[B * T * D];
  layer_norm(query, B * T, norm_weight, norm_bias, n);
  linear(n, B * T, D, query_weight, NULL, D, q);
  linear(context, B * S, C, key_weight, NULL, D, k);
  linear(context, B * S, C, value_weight, NULL, D, v);
  attend(q, k, v, B, H, T, S, NULL, 0.5, wanted);
  for (int i = 0; i < B * T * D; ++i)
    wanted[i] = query[i] + wanted[i] * (1 + half * factors[i / D]);
  check_rows(call.output, wanted, B * T * D);
}

// Streams of dim 8 without projections: both directions from the old states.
static void test_co_attention(void) {
  const weft_cross_attention_block block = {.struct_size = sizeof block, .heads = H};
  const float* other = numbers + 640;  // [B, S, D]
  const weft_cross_attention_call left = {.struct_size = sizeof left,
                                          .query = TENSOR(WEFT_DTYPE_F32, query, B, T, D),
                                          .output = TENSOR(WEFT_DTYPE_F32, NULL, B, T, D)};
  const weft_cross_attention_call right = {.struct_size = sizeof right,
                                           .query = TENSOR(WEFT_DTYPE_F32, other, B, S, D),
                                           .output = TENSOR(WEFT_DTYPE_F32, NULL, B, S, D)};
  MUST(weft_co_attention(recorder, &block, &block, &left, &right, &error));
  run();
  float wanted[B * S * D];
  attend(query, other, other, B, H, T, S, NULL, 0.5, wanted);
  for (int i = 0; i < B * T * D; ++i) wanted[i] += query[i];
  check_rows(left.output, wanted, B * T * D);
  attend(other, query, query, B, H, S, T, NULL, 0.5, wanted);
  for (int i = 0; i < B * S * D; ++i) wanted[i] += other[i];
  check_rows(right.output, wanted, B * S * D);
}

// The keys of an attention in two parts, with the same queries: as all of them at once.
static void test_joint_attention(void) {
  const float* keys = numbers + 640;  // [1, 1, S, D]
  weft_attention_call parts[2];
  for (int i = 0; i < 2; ++i) {
    const weft_tensor* half = i == 0 ? TENSOR(WEFT_DTYPE_F32, keys, 1, 1, 3, D)
                                     : TENSOR(WEFT_DTYPE_F32, keys + 3 * D, 1, 1, S - 3, D);
    parts[i] = (weft_attention_call){.struct_size = sizeof parts[i],
                                     .query = TENSOR(WEFT_DTYPE_F32, query, 1, 1, T, D),
                                     .key = half,
                                     .value = half,
                                     .scale = 0.5f};
  }
  const weft_attention_call* list[] = {&parts[0], &parts[1]};
  const weft_joint_attention_call call = {.struct_size = sizeof call,
                                          .part_count = 2,
                                          .parts = list,
                                          .output = TENSOR(WEFT_DTYPE_F32, NULL, 1, 1, T, D)};
  MUST(weft_joint_attention(recorder, &call, &error));
  run();
  float wanted[T * D];
  attend(query, keys, keys, 1, 1, T, S, NULL, 0.5, wanted);
  check_rows(call.output, wanted, T * D);
}

// Five rows in chunks of 2: row 0 sees nothing, rows 1 and 2 chunk 0, rows 3 and 4 chunk 1.
static void test_chunked(void) {
  const weft_cross_attention_block block = {.struct_size = sizeof block};
  const float* neighbours = numbers + 640;  // [1, 2, 3, D]
  const weft_chunked_attention_call call = {
      .struct_size = sizeof call,
      .query = TENSOR(WEFT_DTYPE_F32, query, 1, T, D),
      .context = TENSOR(WEFT_DTYPE_F32, neighbours, 1, 2, 3, D),
      .output = TENSOR(WEFT_DTYPE_F32, NULL, 1, T, D),
      .chunk_len = 2};
  MUST(weft_chunked_cross_attention(recorder, &block, &call, &error));
  run();
  float wanted[T * D] = {0};
  attend(query + D, neighbours, neighbours, 2, 1, 2, 3, NULL, 1 / sqrt(D), wanted + D);
  for (int i = 0; i < T * D; ++i) wanted[i] += query[i];
  check_rows(call.output, wanted, T * D);
}

static void test_similarity(void) {
  const float left[4] = {3, 4, 0, 0}, right[6] = {4, 3, 0, 2, -3, -4};
  const weft_similarity_block block = {.struct_size = sizeof block};
  const weft_similarity_block louder = {.struct_size = sizeof louder, .scale = 10};
  const weft_tensor *l = TENSOR(WEFT_DTYPE_F32, left, 2, 2),
                    *r = TENSOR(WEFT_DTYPE_F32, right, 3, 2),
                    *output = TENSOR(WEFT_DTYPE_F32, NULL, 2, 3);
  MUST(weft_similarity(recorder, &block, l, r, output, &error));
  run();
  check_rows(output, (float[]){0.96f, 0.8f, -1, 0, 0, 0}, 6);
  MUST(weft_similarity(recorder, &louder, l, r, output, &error));
  run();
  check_rows(output, (float[]){9.6f, 8, -10, 0, 0, 0}, 6);
}

// The keys of [batch, length, heads * dim], laid out anew or not, give the same attention.
static void test_prepare_key_value(void) {
  const weft_tensor* rows = TENSOR(WEFT_DTYPE_F32, numbers + 640, B, S, D);
  weft_tensor keys = *rows;  // [B, H, S, D / H]
  keys.rank = 4;
  memcpy(keys.shape, (int64_t[]){B, H, S, D / H}, sizeof keys.shape);
  memcpy(keys.strides, (int64_t[]){S * D, D / H, D, 1}, sizeof keys.strides);
  const weft_attention_desc desc = {
      .struct_size = sizeof desc, .head_dim = D / H, .q_len = 1, .kv_len = S};
  weft_tensor key = {.struct_size = sizeof key}, value = {.struct_size = sizeof value};
  MUST(weft_prepare_key_value(recorder, &desc, &keys, &keys, &key, &value, &error));
  weft_attention_call call = {.struct_size = sizeof call,
                              .query = TENSOR(WEFT_DTYPE_F32, query, B, H, 1, D / H),
                              .key = &keys,
                              .value = &keys,
                              .output = TENSOR(WEFT_DTYPE_F32, NULL, B, H, 1, D / H)};
  MUST(weft_attention(recorder, &call, &error));
  const weft_tensor* plain = call.output;
  call.key = &key;
  call.value = &value;
  call.output = TENSOR(WEFT_DTYPE_F32, NULL, B, H, 1, D / H);
  MUST(weft_attention(recorder, &call, &error));
  run();
  weft_buffer_release(key.buffer);
  weft_buffer_release(value.buffer);
  float wanted[B * D];
  get(plain, wanted);
  check_rows(call.output, wanted, B * D);
}

void test_blocks(void) {
  fill(numbers, sizeof numbers / sizeof numbers[0], 11);
  void (*const tests[])(void) = {test_block,        test_feed_forward, test_callback,
                                 test_more_sources, test_co_attention, test_joint_attention,
                                 test_chunked,      test_similarity,   test_prepare_key_value};
  for (size_t i = 0; i < sizeof tests / sizeof tests[0]; ++i) {
    MUST(weft_recorder_create(device, &recorder, &error));
    tests[i]();
    weft_recorder_release(recorder);
    free_tensors();
  }
}
