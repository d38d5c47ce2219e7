// Attention through the C ABI against plain loops in double precision.
#include <stdbool.h>

#include "check.h"

enum { B = 2, H = 4, G = 2, Q = 5, K = 9, D = 8, V = 6 };  // batch, heads, kv_heads, lengths, dims

static float query[B * H * Q * D], key[B * G * K * D], value[B * G * K * V], bias[H * Q * K];
static uint8_t keep[B * Q * K];
static int32_t kv_lengths[B] = {9, 6};

// What one call asks for.
struct asks {
  bool keep, bias, lengths, causal, window;
  float scale, softcap;
  int32_t offset;
};

static bool takes_part(const struct asks* a, int b, int i, int j) {
  const int p = i + a->offset;
  if (a->lengths && j >= kv_lengths[b]) return false;
  if (a->causal && j > p) return false;
  if (a->window && (j < p - 3 || j > p + 2)) return false;
  return !a->keep || keep[(b * Q + i) * K + j];
}

// weights [B, H, Q, K], output [B, H, Q, V], logsumexp [B, H, Q].
static void reference(const struct asks* a, float* weights, float* output, float* logsumexp) {
  for (int b = 0; b < B; ++b)
    for (int h = 0; h < H; ++h)
      for (int i = 0; i < Q; ++i) {
        double score[K], sum = 0, out[V] = {0};
        const int row = (b * H + h) * Q + i, g = b * G + h / (H / G);
        for (int j = 0; j < K; ++j) {
          double s = 0;
          for (int d = 0; d < D; ++d) s += (double)query[row * D + d] * key[(g * K + j) * D + d];
          s *= a->scale != 0 ? a->scale : 1 / sqrt(D);
          if (a->softcap > 0) s = a->softcap * tanh(s / a->softcap);
          score[j] = exp(s + (a->bias ? bias[(h * Q + i) * K + j] : 0));
          if (!takes_part(a, b, i, j)) score[j] = 0;
          sum += score[j];
        }
        for (int j = 0; j < K; ++j) {
          const double w = sum > 0 ? score[j] / sum : 0;
          weights[row * K + j] = (float)w;
          for (int v = 0; v < V; ++v) out[v] += w * value[(g * K + j) * V + v];
        }
        for (int v = 0; v < V; ++v) output[row * V + v] = (float)out[v];
        logsumexp[row] = (float)log(sum);
      }
}

static void fill_all(void) {
  fill(query, sizeof query / 4, 1);
  fill(key, sizeof key / 4, 2);
  fill(value, sizeof value / 4, 3);
  fill(bias, sizeof bias / 4, 4);
  for (int i = 0; i < B * Q * K; ++i) keep[i] = (i * 7 + i / 5) % 3 != 0;
  memset(keep + K, 0, K);  // row 1 of item 0 sees nothing
}

static float weights[B * H * Q * K], output[B * H * Q * V], logsumexp[B * H * Q];
static float found[B * H * Q * K];

static weft_attention_call call_of(const struct asks* a) {
  return (weft_attention_call){
      .struct_size = sizeof(weft_attention_call),
      .flags = (a->causal ? WEFT_ATTENTION_CAUSAL : 0u) |
               (a->window ? WEFT_ATTENTION_LIMIT_LEFT | WEFT_ATTENTION_LIMIT_RIGHT : 0u),
      .query = TENSOR(WEFT_DTYPE_F32, query, B, H, Q, D),
      .key = TENSOR(WEFT_DTYPE_F32, key, B, G, K, D),
      .value = TENSOR(WEFT_DTYPE_F32, value, B, G, K, V),
      .output = TENSOR(WEFT_DTYPE_F32, NULL, B, H, Q, V),
      .logsumexp = TENSOR(WEFT_DTYPE_F32, NULL, B, H, Q),
      .scale = a->scale,
      .softcap = a->softcap,
      .position_offset = a->offset,
      .window_left = 3,
      .window_right = 2,
      .keep_mask = a->keep ? TENSOR(WEFT_DTYPE_U8, keep, B, 1, Q, K) : NULL,
      .bias = a->bias ? TENSOR(WEFT_DTYPE_F32, bias, 1, H, Q, K) : NULL,
      .kv_lengths = a->lengths ? TENSOR(WEFT_DTYPE_I32, kv_lengths, B) : NULL,
  };
}

// At once, through a plan, and its weights.
static void test_call(const struct asks* a) {
  reference(a, weights, output, logsumexp);
  const weft_attention_call call = call_of(a);
  MUST(weft_attend(device, &call, &error));
  get(call.output, found);
  CHECK(close_to(found, output, B * H * Q * V, 1e-5f));
  get(call.logsumexp, found);
  CHECK(close_to(found, logsumexp, B * H * Q, 1e-5f));

  weft_attention_desc desc = {.struct_size = sizeof desc};
  MUST(weft_attention_describe(&call, &desc, &error));
  CHECK(desc.head_dim == D && desc.value_dim == V && desc.q_len == Q && desc.kv_len == K);
  CHECK(desc.bias == a->bias && desc.mask == (a->keep ? WEFT_MASK_KEEP : WEFT_MASK_NONE));
  const uint32_t features = WEFT_FEATURE_LOGSUMEXP | (a->lengths ? WEFT_FEATURE_KV_LENGTHS : 0u) |
                            (a->causal || a->window ? WEFT_FEATURE_WINDOW : 0u) |
                            (a->softcap > 0 ? WEFT_FEATURE_SOFTCAP : 0u);
  CHECK(desc.features == features);
  weft_plan* plan = NULL;
  MUST(weft_plan_create(device, &desc, &plan, &error));
  CHECK(weft_plan_retain(plan) == plan);
  weft_plan_release(plan);
  char* text = NULL;
  MUST(weft_attention_explain(device, &desc, &text, &error));
  char chosen[200];
  snprintf(chosen, sizeof chosen, "%s: chosen", weft_plan_kernel(plan));
  CHECK(text && strstr(text, chosen) != NULL);
  weft_string_free(text);

  weft_attention_call again = call;
  again.output = TENSOR(WEFT_DTYPE_F32, NULL, B, H, Q, V);
  weft_recorder* recorder = NULL;
  weft_ticket ticket = 0;
  MUST(weft_recorder_create(device, &recorder, &error));
  MUST(weft_plan_record(plan, recorder, &again, &error));
  const weft_attention_weights_call all = {.struct_size = sizeof all,
                                           .stage = WEFT_WEIGHTS_PROBABILITIES,
                                           .attention = &call,
                                           .weights = TENSOR(WEFT_DTYPE_F32, NULL, B, H, Q, K)};
  MUST(weft_attention_weights(recorder, &all, &error));
  MUST(weft_recorder_submit(recorder, &ticket, &error));
  weft_recorder_release(recorder);
  weft_plan_release(plan);
  CHECK(ticket > 0);
  MUST(weft_wait(device, ticket, UINT64_MAX, &error));
  CHECK(weft_done(device, ticket) == 1);
  get(again.output, found);
  CHECK(close_to(found, output, B * H * Q * V, 1e-5f));
  get(all.weights, found);
  CHECK(close_to(found, weights, B * H * Q * K, 1e-5f));

  weft_attention_call both = call;  // the weights by the same call
  both.weights = TENSOR(WEFT_DTYPE_F32, NULL, B, H, Q, K);
  MUST(weft_attention_describe(&both, &desc, &error));
  CHECK(desc.features == (features | WEFT_FEATURE_WEIGHTS));
  MUST(weft_attend(device, &both, &error));
  get(both.output, found);
  CHECK(close_to(found, output, B * H * Q * V, 1e-5f));
  get(both.weights, found);
  CHECK(close_to(found, weights, B * H * Q * K, 1e-5f));
  free_tensors();
}

// The mean of two heads over three keys, added to what is there.
static void test_chosen_weights(void) {
  const struct asks a = {.bias = true};
  reference(&a, weights, output, logsumexp);
  const weft_attention_call call = call_of(&a);
  MUST(weft_attend(device, &call, &error));
  const uint32_t heads[] = {3, 1}, keys[] = {8, 0, 4};
  float before[B * Q * 3];
  fill(before, B * Q * 3, 5);
  const weft_attention_weights_call chosen = {
      .struct_size = sizeof chosen,
      .stage = WEFT_WEIGHTS_PROBABILITIES,
      .attention = &call,
      .weights = TENSOR(WEFT_DTYPE_F32, before, B, 1, Q, 3),
      .heads = heads,
      .keys = keys,
      .head_count = 2,
      .key_count = 3,
      .flags = WEFT_WEIGHTS_MEAN_HEADS | WEFT_WEIGHTS_ACCUMULATE,
  };
  weft_recorder* recorder = NULL;
  MUST(weft_recorder_create(device, &recorder, &error));
  MUST(weft_attention_weights(recorder, &chosen, &error));
  MUST(weft_recorder_submit(recorder, NULL, &error));
  get(chosen.weights, found);
  for (int b = 0; b < B; ++b)
    for (int i = 0; i < Q; ++i)
      for (int k = 0; k < 3; ++k) {
        const int j = (int)keys[k];
        const float mean =
            (weights[((b * H + 3) * Q + i) * K + j] + weights[((b * H + 1) * Q + i) * K + j]) / 2;
        before[(b * Q + i) * 3 + k] += mean;
      }
  CHECK(close_to(found, before, B * Q * 3, 1e-5f));
  weft_recorder_release(recorder);
  free_tensors();
}

// The first 4 keys and the last 5, merged, are all keys. The parts are views: strides and offsets
// count.
static void test_merge(void) {
  const struct asks a = {.scale = -0.5f};
  reference(&a, weights, output, logsumexp);
  const weft_attention_call whole = call_of(&a);
  weft_attention_call part[2] = {whole, whole};
  weft_tensor keys[2] = {*whole.key, *whole.key}, values[2] = {*whole.value, *whole.value};
  keys[0].shape[2] = values[0].shape[2] = 4;
  keys[1].shape[2] = values[1].shape[2] = 5;
  keys[1].offset_bytes = 4 * D * 4;
  values[1].offset_bytes = 4 * V * 4;
  weft_recorder* recorder = NULL;
  MUST(weft_recorder_create(device, &recorder, &error));
  for (int i = 0; i < 2; ++i) {
    part[i].key = &keys[i];
    part[i].value = &values[i];
    part[i].output = TENSOR(WEFT_DTYPE_F32, NULL, B, H, Q, V);
    part[i].logsumexp = TENSOR(WEFT_DTYPE_F32, NULL, B, H, Q);
    MUST(weft_attention(recorder, &part[i], &error));
  }
  const weft_attention_merge_call merge = {.struct_size = sizeof merge,
                                           .left_output = part[0].output,
                                           .left_logsumexp = part[0].logsumexp,
                                           .right_output = part[1].output,
                                           .right_logsumexp = part[1].logsumexp,
                                           .output = whole.output,
                                           .logsumexp = whole.logsumexp};
  MUST(weft_attention_merge(recorder, &merge, &error));
  MUST(weft_recorder_submit(recorder, NULL, &error));
  get(whole.output, found);
  CHECK(close_to(found, output, B * H * Q * V, 1e-5f));
  get(whole.logsumexp, found);
  CHECK(close_to(found, logsumexp, B * H * Q, 1e-5f));
  weft_recorder_release(recorder);
  free_tensors();
}

void test_attention(void) {
  fill_all();
  const struct asks asks[] = {
      {.scale = 0},
      {.scale = 2.0f, .bias = true},
      {.keep = true},
      {.lengths = true, .softcap = 0.4f},
      {.causal = true, .offset = 4},
      {.window = true, .offset = 1},
      {true, true, true, true, true, -0.7f, 0.9f, 3},
  };
  for (size_t i = 0; i < sizeof asks / sizeof asks[0]; ++i) test_call(&asks[i]);
  test_chosen_weights();
  test_merge();
}
