// Wrong calls of fusion blocks: NULL everywhere, numbers outside the enums, and what is wrong deep
// inside a block, by its whole name.
#include "check.h"

static weft_recorder* recorder;
static weft_tensor *query, *context, *output, *bad;
static const weft_cross_attention_block kBlock = {.struct_size =
                                                      sizeof(weft_cross_attention_block)};
static const weft_feed_forward_block kFeedForward = {.struct_size =
                                                         sizeof(weft_feed_forward_block)};
static const weft_similarity_block kSimilarity = {.struct_size = sizeof(weft_similarity_block)};

static weft_cross_attention_call plain_call(void) {
  return (weft_cross_attention_call){.struct_size = sizeof(weft_cross_attention_call),
                                     .query = query,
                                     .context = context,
                                     .output = output};
}

static void test_nulls(void) {
  const weft_cross_attention_call call = plain_call();
  const weft_prepare_call prepare = {.struct_size = sizeof prepare, .context = context};
  const weft_chunked_attention_call chunks = {.struct_size = sizeof chunks};
  weft_tensor key = {.struct_size = sizeof key}, value = {.struct_size = sizeof value};
  WRONG("weft_cross_attention: recorder is NULL",
        weft_cross_attention(NULL, &kBlock, &call, &error));
  WRONG("weft_cross_attention: block is NULL", weft_cross_attention(recorder, NULL, &call, &error));
  WRONG("weft_cross_attention: call is NULL",
        weft_cross_attention(recorder, &kBlock, NULL, &error));
  WRONG("weft_feed_forward: recorder is NULL",
        weft_feed_forward(NULL, &kFeedForward, query, output, NULL, &error));
  WRONG("weft_feed_forward: block is NULL",
        weft_feed_forward(recorder, NULL, query, output, NULL, &error));
  WRONG("feed_forward: ", weft_feed_forward(recorder, &kFeedForward, NULL, output, NULL, &error));
  WRONG("feed_forward: ", weft_feed_forward(recorder, &kFeedForward, query, NULL, NULL, &error));
  WRONG("weft_prepare_context: recorder is NULL",
        weft_prepare_context(NULL, &kBlock, &prepare, &key, &value, &error));
  WRONG("weft_prepare_context: block is NULL",
        weft_prepare_context(recorder, NULL, &prepare, &key, &value, &error));
  WRONG("weft_prepare_context: call is NULL",
        weft_prepare_context(recorder, &kBlock, NULL, &key, &value, &error));
  WRONG("weft_prepare_context: key is NULL",
        weft_prepare_context(recorder, &kBlock, &prepare, NULL, &value, &error));
  WRONG("weft_prepare_context: value is NULL",
        weft_prepare_context(recorder, &kBlock, &prepare, &key, NULL, &error));
  WRONG("weft_co_attention: recorder is NULL",
        weft_co_attention(NULL, &kBlock, &kBlock, &call, &call, &error));
  WRONG("weft_co_attention: left_block is NULL",
        weft_co_attention(recorder, NULL, &kBlock, &call, &call, &error));
  WRONG("weft_co_attention: right_block is NULL",
        weft_co_attention(recorder, &kBlock, NULL, &call, &call, &error));
  WRONG("weft_co_attention: left is NULL",
        weft_co_attention(recorder, &kBlock, &kBlock, NULL, &call, &error));
  WRONG("weft_co_attention: right is NULL",
        weft_co_attention(recorder, &kBlock, &kBlock, &call, NULL, &error));
  WRONG("weft_joint_attention: recorder is NULL", weft_joint_attention(NULL, NULL, &error));
  WRONG("weft_joint_attention: call is NULL", weft_joint_attention(recorder, NULL, &error));
  WRONG("weft_chunked_cross_attention: recorder is NULL",
        weft_chunked_cross_attention(NULL, &kBlock, &chunks, &error));
  WRONG("weft_chunked_cross_attention: block is NULL",
        weft_chunked_cross_attention(recorder, NULL, &chunks, &error));
  WRONG("weft_chunked_cross_attention: call is NULL",
        weft_chunked_cross_attention(recorder, &kBlock, NULL, &error));
  WRONG("chunked_cross_attention: query is not given",
        weft_chunked_cross_attention(recorder, &kBlock, &chunks, &error));
  WRONG("weft_similarity: recorder is NULL",
        weft_similarity(NULL, &kSimilarity, query, query, query, &error));
  WRONG("weft_similarity: block is NULL",
        weft_similarity(recorder, NULL, query, query, query, &error));
  WRONG("similarity: left is not given",
        weft_similarity(recorder, &kSimilarity, NULL, query, query, &error));
}

static void test_prepare_key_value(void) {
  const weft_attention_desc desc = {
      .struct_size = sizeof desc, .head_dim = 4, .q_len = 1, .kv_len = 2};
  const weft_tensor* keys = TENSOR(WEFT_DTYPE_F32, NULL, 1, 1, 2, 4);
  weft_tensor key = {.struct_size = sizeof key}, value = {.struct_size = sizeof value};
  WRONG("weft_prepare_key_value: recorder is NULL",
        weft_prepare_key_value(NULL, &desc, keys, keys, &key, &value, &error));
  WRONG("weft_prepare_key_value: desc is NULL",
        weft_prepare_key_value(recorder, NULL, keys, keys, &key, &value, &error));
  WRONG("weft_prepare_key_value: prepared_key is NULL",
        weft_prepare_key_value(recorder, &desc, keys, keys, NULL, &value, &error));
  WRONG("weft_prepare_key_value: prepared_value is NULL",
        weft_prepare_key_value(recorder, &desc, keys, keys, &key, NULL, &error));
  WRONG("weft_prepare_key_value: key.dtype is 9",
        weft_prepare_key_value(recorder, &desc, bad, keys, &key, &value, &error));
  WRONG("key", weft_prepare_key_value(recorder, &desc, NULL, keys, &key, &value, &error));
  WRONG("value", weft_prepare_key_value(recorder, &desc, keys, NULL, &key, &value, &error));
  CHECK(key.buffer == NULL && value.buffer == NULL && key.struct_size == sizeof key);
}

static void test_lists(void) {
  weft_cross_attention_call call = plain_call();
  weft_cross_attention_block block = kBlock;
  block.more_source_count = 2;
  WRONG("weft_cross_attention: block.more_sources is NULL",
        weft_cross_attention(recorder, &block, &call, &error));
  const weft_attention_source source = {.struct_size = sizeof source};
  const weft_attention_source* sources[] = {&source, NULL};
  block.more_sources = sources;
  WRONG("weft_cross_attention: block.more_sources[1] is NULL",
        weft_cross_attention(recorder, &block, &call, &error));
  block.more_source_count = 1;
  WRONG("more_sources has 0, the block has 1",
        weft_cross_attention(recorder, &block, &call, &error));
  call.more_source_count = 1;
  WRONG("weft_cross_attention: call.more_sources is NULL",
        weft_cross_attention(recorder, &block, &call, &error));
  const weft_source_call* none[] = {NULL};
  call.more_sources = none;
  WRONG("weft_cross_attention: call.more_sources[0] is NULL",
        weft_cross_attention(recorder, &block, &call, &error));
  weft_joint_attention_call joint = {
      .struct_size = sizeof joint, .part_count = 1, .output = output};
  WRONG("weft_joint_attention: call.parts is NULL", weft_joint_attention(recorder, &joint, &error));
  const weft_attention_call* no_part[] = {NULL};
  joint.parts = no_part;
  WRONG("weft_joint_attention: call.parts[0] is NULL",
        weft_joint_attention(recorder, &joint, &error));
  joint.part_count = 0;
  WRONG("joint_attention: parts is empty", weft_joint_attention(recorder, &joint, &error));
}

// One wrong thing in a part of a valid block, and what the message says.
static void refuse_block(const char* says, const weft_cross_attention_block* block) {
  const weft_cross_attention_call call = plain_call();
  WRONG(says, weft_cross_attention(recorder, block, &call, &error));
}

static void test_numbers(void) {
  weft_cross_attention_block block = kBlock;
  const weft_norm norm = {.struct_size = sizeof norm, .kind = 3};
  block.key_head_norm = &norm;
  refuse_block("weft_cross_attention: block.key_head_norm.kind is 3; it must be 0 to 2", &block);
  block = kBlock;
  const weft_gate gate = {.struct_size = sizeof gate, .kind = -1};
  block.gate = &gate;
  refuse_block("weft_cross_attention: block.gate.kind is -1; it must be 0 to 2", &block);
  block = kBlock;
  weft_feed_forward_block feed_forward = kFeedForward;
  feed_forward.activation = 6;
  block.feed_forward = &feed_forward;
  refuse_block("weft_cross_attention: block.feed_forward.activation is 6", &block);
  WRONG("weft_feed_forward: block.activation is 6",
        weft_feed_forward(recorder, &feed_forward, query, output, NULL, &error));
  block = kBlock;
  const weft_projection projection = {.struct_size = sizeof projection, .weight = bad};
  block.out = &projection;
  refuse_block("weft_cross_attention: block.out.weight.dtype is 9", &block);
  feed_forward = kFeedForward;
  feed_forward.gate_up = &projection;
  block = kBlock;
  block.feed_forward = &feed_forward;
  refuse_block("weft_cross_attention: block.feed_forward.gate_up.weight.dtype is 9", &block);
  block = kBlock;
  block.null_value = bad;
  refuse_block("weft_cross_attention: block.null_value.dtype is 9", &block);
  block = kBlock;
  block.heads = 3;
  refuse_block("cross_attention: query has 4 features, heads is 3", &block);
}

static void test_call_fields(void) {
  const struct {
    const char* name;
    size_t offset;
  } fields[] = {
#define FIELD(name) {#name, offsetof(weft_cross_attention_call, name)}
      FIELD(query),
      FIELD(context),
      FIELD(output),
      FIELD(prepared_key),
      FIELD(prepared_value),
      FIELD(query_position),
      FIELD(query_angles),
      FIELD(key_angles),
      FIELD(row_factors),
      FIELD(context_position),
      FIELD(feed_forward_factors)};
  for (size_t i = 0; i < sizeof fields / sizeof fields[0]; ++i) {
    weft_cross_attention_call call = plain_call();
    memcpy((char*)&call + fields[i].offset, &bad, sizeof bad);
    char says[80];
    snprintf(says, sizeof says, "weft_cross_attention: call.%s.dtype is 9", fields[i].name);
    WRONG(says, weft_cross_attention(recorder, &kBlock, &call, &error));
    says[0] = '\0';
    snprintf(says, sizeof says, "weft_co_attention: right.%s.dtype is 9", fields[i].name);
    const weft_cross_attention_call left = plain_call();
    WRONG(says, weft_co_attention(recorder, &kBlock, &kBlock, &left, &call, &error));
  }
  weft_cross_attention_call call = plain_call();
  weft_attention_call options = {.struct_size = sizeof options, .keep_mask = bad};
  call.attention = &options;
  WRONG("weft_cross_attention: call.attention.keep_mask.dtype is 9",
        weft_cross_attention(recorder, &kBlock, &call, &error));
  options = (weft_attention_call){.struct_size = sizeof options, .query = query};
  WRONG("cross_attention: attention.query is given",
        weft_cross_attention(recorder, &kBlock, &call, &error));
  options = (weft_attention_call){.struct_size = 3};
  WRONG("weft_cross_attention: call.attention.struct_size is 3",
        weft_cross_attention(recorder, &kBlock, &call, &error));
}

void test_wrong_blocks(void) {
  query = TENSOR(WEFT_DTYPE_F32, NULL, 1, 2, 4);
  context = TENSOR(WEFT_DTYPE_F32, NULL, 1, 3, 4);
  output = TENSOR(WEFT_DTYPE_F32, NULL, 1, 2, 4);
  weft_tensor other = *query;
  other.dtype = 9;
  bad = &other;
  MUST(weft_recorder_create(device, &recorder, &error));
  test_nulls();
  test_prepare_key_value();
  test_lists();
  test_numbers();
  test_call_fields();
  weft_program* program = NULL;
  weft_stats stats = {.struct_size = sizeof stats};
  MUST(weft_recorder_finish(recorder, NULL, &program, &error));
  MUST(weft_program_stats(program, &stats, &error));
  CHECK(stats.operations == 0);  // nothing of all that was recorded
  weft_program_release(program);
  weft_recorder_release(recorder);
  free_tensors();
}
