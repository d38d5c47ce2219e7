// Structs of fusion blocks of older and newer callers, each inside a valid call.
#include "check.h"

static weft_recorder* recorder;
static weft_tensor *query, *context, *output;  // f32 [1, 2, 4], [1, 3, 4], [1, 2, 4]
static weft_tensor *matrix, *item;             // [4, 4], [1]

static const void* part;  // of what is given next: where its part in a call is

static weft_cross_attention_block block_with(const void* norm, const void* projection,
                                             const void* gate) {
  return (weft_cross_attention_block){.struct_size = sizeof(weft_cross_attention_block),
                                      .query = projection,
                                      .query_norm = norm,
                                      .gate = gate};
}

static weft_cross_attention_call plain_call(void) {
  return (weft_cross_attention_call){.struct_size = sizeof(weft_cross_attention_call),
                                     .query = query,
                                     .context = context,
                                     .output = output};
}

static weft_status with_block(const void* in) {
  const weft_cross_attention_call call = plain_call();
  return weft_cross_attention(recorder, in, &call, &error);
}
static weft_status with_norm(const void* in) {
  const weft_cross_attention_block block = block_with(in, NULL, NULL);
  return with_block(&block);
}
static weft_status with_projection(const void* in) {
  const weft_cross_attention_block block = block_with(NULL, in, NULL);
  return with_block(&block);
}
static weft_status with_gate(const void* in) {
  const weft_cross_attention_block block = block_with(NULL, NULL, in);
  return with_block(&block);
}
static weft_status with_feed_forward(const void* in) {
  return weft_feed_forward(recorder, in, query, output, NULL, &error);
}
static weft_status with_call(const void* in) {
  const weft_cross_attention_block block = block_with(NULL, NULL, NULL);
  return weft_cross_attention(recorder, &block, in, &error);
}

// A further source: its weights in the block, its context in the call.
static weft_status with_sources(const void* weights, const void* source) {
  const weft_attention_source* in_block[] = {weights};
  const weft_source_call* in_call[] = {source};
  weft_cross_attention_block block = block_with(NULL, NULL, NULL);
  block.more_sources = in_block;
  block.more_source_count = 1;
  weft_cross_attention_call call = plain_call();
  call.more_sources = in_call;
  call.more_source_count = 1;
  return weft_cross_attention(recorder, &block, &call, &error);
}
static weft_status with_source(const void* in) { return with_sources(in, part); }
static weft_status with_source_call(const void* in) { return with_sources(part, in); }

static weft_status prepare(const void* in) {
  const weft_cross_attention_block block = block_with(NULL, NULL, NULL);
  weft_tensor key = {.struct_size = sizeof key}, value = {.struct_size = sizeof value};
  const weft_status status = weft_prepare_context(recorder, &block, in, &key, &value, &error);
  CHECK((key.buffer != NULL) == (status == WEFT_OK) &&
        (value.buffer != NULL) == (status == WEFT_OK));
  weft_buffer_release(key.buffer);
  weft_buffer_release(value.buffer);
  return status;
}
static weft_status joint(const void* in) { return weft_joint_attention(recorder, in, &error); }
static weft_status chunked(const void* in) {
  const weft_cross_attention_block block = block_with(NULL, NULL, NULL);
  return weft_chunked_cross_attention(recorder, &block, in, &error);
}
static weft_status similar(const void* in) {
  return weft_similarity(recorder, in, matrix, matrix, part, &error);
}

static void test_parts(void) {
  const weft_norm norm = {.struct_size = sizeof norm, .kind = WEFT_NORM_RMS};
  IN(norm, weight, with_norm);
  const weft_projection projection = {.struct_size = sizeof projection, .weight = matrix};
  IN(projection, bias, with_projection);
  const weft_gate gate = {.struct_size = sizeof gate, .kind = WEFT_GATE_VALUE, .value = item};
  IN_WHOLE(gate, with_gate);
  const weft_feed_forward_block feed_forward = {
      .struct_size = sizeof feed_forward, .up = &projection, .down = &projection};
  IN(feed_forward, gate_up, with_feed_forward);
  const weft_cross_attention_block block = block_with(NULL, NULL, NULL);
  IN(block, query, with_block);
  const weft_attention_source source = {
      .struct_size = sizeof source, .key = &projection, .value = &projection};
  const weft_source_call source_call = {.struct_size = sizeof source_call, .context = context};
  part = &source_call;
  IN(source, context_norm, with_source);
  part = &source;
  IN(source_call, prepared_key, with_source_call);
  const weft_similarity_block similarity = {.struct_size = sizeof similarity};
  part = TENSOR(WEFT_DTYPE_F32, NULL, 4, 4);
  IN(similarity, left, similar);
}

static void test_calls(void) {
  const weft_cross_attention_call call = plain_call();
  IN(call, prepared_key, with_call);
  const weft_prepare_call prepared = {.struct_size = sizeof prepared, .context = context};
  IN(prepared, context_position, prepare);
  const weft_tensor* heads = TENSOR(WEFT_DTYPE_F32, NULL, 1, 1, 2, 4);
  const weft_attention_call attention = {
      .struct_size = sizeof attention, .query = heads, .key = heads, .value = heads};
  const weft_attention_call* parts[] = {&attention, &attention};
  const weft_joint_attention_call joined = {.struct_size = sizeof joined,
                                            .part_count = 2,
                                            .parts = parts,
                                            .output = TENSOR(WEFT_DTYPE_F32, NULL, 1, 1, 2, 4)};
  IN(joined, logsumexp, joint);
  const weft_chunked_attention_call chunks = {.struct_size = sizeof chunks,
                                              .query = query,
                                              .context = TENSOR(WEFT_DTYPE_F32, NULL, 1, 0, 3, 4),
                                              .output = output};
  IN(chunks, chunk_len, chunked);
}

// Fields and flags that must be 0 until a later version gives them a meaning.
static void test_reserved(void) {
  const weft_norm norm = {.struct_size = sizeof norm, .reserved = 1};
  REFUSED(WEFT_UNSUPPORTED, "block.query_norm.reserved is 1", with_norm(&norm));
  const weft_projection projection = {.struct_size = sizeof projection, .reserved = 2};
  REFUSED(WEFT_UNSUPPORTED, "block.query.reserved is 2", with_projection(&projection));
  weft_feed_forward_block feed_forward = {.struct_size = sizeof feed_forward, .reserved = 3};
  REFUSED(WEFT_UNSUPPORTED, "block.reserved is 3", with_feed_forward(&feed_forward));
  feed_forward.reserved = 0;
  feed_forward.flags = 2;
  REFUSED(WEFT_UNSUPPORTED, "block.flags is 2", with_feed_forward(&feed_forward));
  weft_cross_attention_block block = {.struct_size = sizeof block, .reserved = 4};
  REFUSED(WEFT_UNSUPPORTED, "block.reserved is 4", with_block(&block));
  block.reserved = 0;
  block.flags = 16;
  REFUSED(WEFT_UNSUPPORTED, "block.flags is 16; this library knows those in 15",
          with_block(&block));
  const weft_attention_source source = {.struct_size = sizeof source, .reserved = 5};
  const weft_source_call source_call = {.struct_size = sizeof source_call, .reserved = 6};
  const weft_attention_source good = {.struct_size = sizeof good};
  REFUSED(WEFT_UNSUPPORTED, "block.more_sources[0].reserved is 5",
          with_sources(&source, &source_call));
  REFUSED(WEFT_UNSUPPORTED, "call.more_sources[0].reserved is 6",
          with_sources(&good, &source_call));
  const weft_chunked_attention_call chunks = {.struct_size = sizeof chunks, .reserved = 7};
  REFUSED(WEFT_UNSUPPORTED, "call.reserved is 7", chunked(&chunks));
}

void test_block_structs(void) {
  query = TENSOR(WEFT_DTYPE_F32, NULL, 1, 2, 4);
  context = TENSOR(WEFT_DTYPE_F32, NULL, 1, 3, 4);
  output = TENSOR(WEFT_DTYPE_F32, NULL, 1, 2, 4);
  matrix = TENSOR(WEFT_DTYPE_F32, NULL, 4, 4);
  item = TENSOR(WEFT_DTYPE_F32, NULL, 1);
  MUST(weft_recorder_create(device, &recorder, &error));
  test_parts();
  test_calls();
  test_reserved();
  weft_recorder_release(recorder);
  free_tensors();
}
