// Wrong calls: NULL everywhere, numbers outside the enums, and every tensor of an attention in its
// own place.
#include "check.h"

static weft_tensor tensor = {.struct_size = sizeof(weft_tensor)};
static const int64_t kShape[4] = {2, 2, 2, 2};
static const weft_attention_call kCall = {.struct_size = sizeof(weft_attention_call)};
static const weft_attention_desc kDesc = {.struct_size = sizeof(weft_attention_desc),
                                          .head_dim = 8};

static void test_null_handles(void) {
  weft_buffer* buffer = (weft_buffer*)&tensor;  // must be emptied
  WRONG("weft_buffer_create: device is NULL", weft_buffer_create(NULL, 1, 0, &buffer, &error));
  CHECK(buffer == NULL);
  weft_traits traits = {.struct_size = sizeof traits};
  WRONG("weft_device_traits: device is NULL", weft_device_traits(NULL, &traits, &error));
  WRONG("weft_device_list_traits: list is NULL", weft_device_list_traits(NULL, 0, &traits, &error));
  WRONG("weft_device_wait_idle: device is NULL", weft_device_wait_idle(NULL, &error));
  WRONG("weft_device_save_pipeline_cache: device is NULL",
        weft_device_save_pipeline_cache(NULL, &error));
  WRONG("weft_tensor_create: device is NULL",
        weft_tensor_create(NULL, 0, 4, kShape, 0, &tensor, &error));
  WRONG("weft_upload: device is NULL", weft_upload(NULL, &tensor, kShape, 8, &error));
  WRONG("weft_download: device is NULL",
        weft_download(NULL, &tensor, traits.pipeline_cache_uuid, 8, &error));
  weft_recorder* recorder = (weft_recorder*)&tensor;
  WRONG("weft_recorder_create: device is NULL", weft_recorder_create(NULL, &recorder, &error));
  CHECK(recorder == NULL);
  WRONG("weft_recorder_label: recorder is NULL", weft_recorder_label(NULL, "x", &error));
  WRONG("weft_recorder_transient: recorder is NULL",
        weft_recorder_transient(NULL, 0, 4, kShape, &tensor, &error));
  weft_ticket ticket = 7;
  WRONG("weft_recorder_submit: recorder is NULL", weft_recorder_submit(NULL, &ticket, &error));
  CHECK(ticket == 0);
  weft_program* program = (weft_program*)&tensor;
  WRONG("weft_recorder_finish: recorder is NULL",
        weft_recorder_finish(NULL, NULL, &program, &error));
  CHECK(program == NULL);
  WRONG("weft_wait: device is NULL", weft_wait(NULL, 0, 0, &error));
  WRONG("weft_program_run: program is NULL", weft_program_run(NULL, &ticket, &error));
  weft_stats stats = {.struct_size = sizeof stats};
  WRONG("weft_program_stats: program is NULL", weft_program_stats(NULL, &stats, &error));
  weft_times* times = (weft_times*)&tensor;
  WRONG("weft_program_times: program is NULL", weft_program_times(NULL, &times, &error));
  CHECK(times == NULL);
  weft_operation_time time = {.struct_size = sizeof time};
  WRONG("weft_times_get: times is NULL", weft_times_get(NULL, 0, &time, &error));
  char* text = (char*)&tensor;
  WRONG("weft_times_trace: times is NULL", weft_times_trace(NULL, &text, &error));
  CHECK(text == NULL);
  WRONG("weft_attention_explain: device is NULL",
        weft_attention_explain(NULL, &kDesc, &text, &error));
  WRONG("weft_attention: recorder is NULL", weft_attention(NULL, &kCall, &error));
  WRONG("weft_attend: device is NULL", weft_attend(NULL, &kCall, &error));
  weft_plan* plan = (weft_plan*)&tensor;
  WRONG("weft_plan_create: device is NULL", weft_plan_create(NULL, &kDesc, &plan, &error));
  CHECK(plan == NULL);
  WRONG("weft_plan_record: plan is NULL", weft_plan_record(NULL, NULL, &kCall, &error));
  WRONG("weft_attention_weights: recorder is NULL", weft_attention_weights(NULL, NULL, &error));
  WRONG("weft_attention_merge: recorder is NULL", weft_attention_merge(NULL, NULL, &error));
  WRONG("weft_linear: recorder is NULL", weft_linear(NULL, NULL, &error));
  WRONG("weft_layer_norm: recorder is NULL", weft_layer_norm(NULL, NULL, &error));
  WRONG("weft_rms_norm: recorder is NULL", weft_rms_norm(NULL, NULL, &error));
  WRONG("weft_add: recorder is NULL", weft_add(NULL, NULL, &error));
  WRONG("weft_gather: recorder is NULL", weft_gather(NULL, NULL, &error));
  WRONG("weft_multiply: recorder is NULL", weft_multiply(NULL, NULL, &error));
  WRONG("weft_mix_keys: recorder is NULL", weft_mix_keys(NULL, NULL, &error));
  WRONG("weft_rotary: recorder is NULL", weft_rotary(NULL, NULL, &error));
}

static void test_null_outputs(weft_recorder* recorder, const weft_plan* plan) {
  WRONG("weft_device_open: device is NULL", weft_device_open(NULL, NULL, &error));
  WRONG("weft_device_list_create: list is NULL", weft_device_list_create(NULL, &error));
  WRONG("weft_device_traits: traits is NULL", weft_device_traits(device, NULL, &error));
  WRONG("weft_buffer_create: buffer is NULL", weft_buffer_create(device, 1, 0, NULL, &error));
  WRONG("weft_tensor_create: tensor is NULL",
        weft_tensor_create(device, 0, 4, kShape, 0, NULL, &error));
  WRONG("weft_tensor_create: shape is NULL",
        weft_tensor_create(device, 0, 4, NULL, 0, &tensor, &error));
  WRONG("weft_upload: tensor is NULL", weft_upload(device, NULL, kShape, 8, &error));
  WRONG("weft_upload: data is NULL", weft_upload(device, &tensor, NULL, 8, &error));
  WRONG("weft_download: tensor is NULL", weft_download(device, NULL, &tensor, 8, &error));
  WRONG("weft_download: data is NULL", weft_download(device, &tensor, NULL, 8, &error));
  WRONG("upload: the tensor has no buffer", weft_upload(device, &tensor, kShape, 8, &error));
  WRONG("weft_recorder_create: recorder is NULL", weft_recorder_create(device, NULL, &error));
  WRONG("weft_recorder_transient: tensor is NULL",
        weft_recorder_transient(recorder, 0, 4, kShape, NULL, &error));
  WRONG("weft_recorder_transient: shape is NULL",
        weft_recorder_transient(recorder, 0, 4, NULL, &tensor, &error));
  WRONG("weft_recorder_finish: program is NULL",
        weft_recorder_finish(recorder, NULL, NULL, &error));
  WRONG("weft_attention: call is NULL", weft_attention(recorder, NULL, &error));
  WRONG("weft_attend: call is NULL", weft_attend(device, NULL, &error));
  WRONG("weft_attention_describe: desc is NULL", weft_attention_describe(&kCall, NULL, &error));
  weft_attention_desc desc = kDesc;
  WRONG("weft_attention_describe: call is NULL", weft_attention_describe(NULL, &desc, &error));
  WRONG("weft_attention_explain: text is NULL",
        weft_attention_explain(device, &kDesc, NULL, &error));
  char* text = NULL;
  WRONG("weft_attention_explain: desc is NULL",
        weft_attention_explain(device, NULL, &text, &error));
  WRONG("weft_plan_create: plan is NULL", weft_plan_create(device, &kDesc, NULL, &error));
  WRONG("weft_plan_record: recorder is NULL", weft_plan_record(plan, NULL, &kCall, &error));
  WRONG("weft_plan_record: call is NULL", weft_plan_record(plan, recorder, NULL, &error));
  WRONG("weft_attention_weights: call is NULL", weft_attention_weights(recorder, NULL, &error));
  weft_attention_weights_call weights = {.struct_size = sizeof weights};
  WRONG("weft_attention_weights: call.attention is NULL",
        weft_attention_weights(recorder, &weights, &error));
  weights.attention = &kCall;
  weights.head_count = 1;
  WRONG("weft_attention_weights: call.heads is NULL",
        weft_attention_weights(recorder, &weights, &error));
  weights.head_count = 0;
  weights.key_count = 1;
  WRONG("weft_attention_weights: call.keys is NULL",
        weft_attention_weights(recorder, &weights, &error));
  WRONG("weft_attention_merge: call is NULL", weft_attention_merge(recorder, NULL, &error));
  WRONG("weft_linear: call is NULL", weft_linear(recorder, NULL, &error));
  WRONG("weft_layer_norm: call is NULL", weft_layer_norm(recorder, NULL, &error));
  WRONG("weft_rms_norm: call is NULL", weft_rms_norm(recorder, NULL, &error));
  WRONG("weft_add: call is NULL", weft_add(recorder, NULL, &error));
  WRONG("weft_gather: call is NULL", weft_gather(recorder, NULL, &error));
  WRONG("weft_multiply: call is NULL", weft_multiply(recorder, NULL, &error));
  WRONG("weft_mix_keys: call is NULL", weft_mix_keys(recorder, NULL, &error));
  WRONG("weft_rotary: call is NULL", weft_rotary(recorder, NULL, &error));

  weft_program* program = NULL;
  MUST(weft_recorder_finish(recorder, NULL, &program, &error));
  WRONG("weft_program_stats: stats is NULL", weft_program_stats(program, NULL, &error));
  WRONG("weft_program_times: times is NULL", weft_program_times(program, NULL, &error));
  weft_times* times = NULL;
  WRONG("program: times need ProgramOptions::timestamps",
        weft_program_times(program, &times, &error));
  MUST(weft_program_run(program, NULL, &error));
  weft_program_release(program);
}

static void test_null_queries(void) {
  CHECK(weft_device_retain(NULL) == NULL && weft_buffer_retain(NULL) == NULL);
  CHECK(weft_plan_retain(NULL) == NULL && weft_program_retain(NULL) == NULL);
  CHECK(weft_device_list_count(NULL) == 0 && weft_times_count(NULL) == 0);
  CHECK(weft_device_validation_messages(NULL) == 0 && weft_plan_kernel(NULL) == NULL);
  CHECK(weft_buffer_size_bytes(NULL) == 0 && weft_buffer_mapped(NULL) == NULL &&
        weft_done(NULL, 9) == 1);
  weft_device_release(NULL);
  weft_device_list_release(NULL);
  weft_buffer_release(NULL);
  weft_recorder_release(NULL);
  weft_program_release(NULL);
  weft_times_release(NULL);
  weft_plan_release(NULL);
  weft_string_free(NULL);
  CHECK(weft_device_wait_idle(NULL, NULL) ==
        WEFT_INVALID_ARGUMENT);  // nowhere to write the message
  CHECK(weft_device_wait_idle(device, NULL) == WEFT_OK);
}

static void test_numbers(weft_recorder* recorder) {
  weft_buffer* buffer = NULL;
  WRONG("weft_buffer_create: memory is 3; it must be 0 to 2",
        weft_buffer_create(device, 1, 3, &buffer, &error));
  WRONG("buffer of 0 bytes", weft_buffer_create(device, 0, 0, &buffer, &error));
  WRONG("weft_tensor_create: memory is -1",
        weft_tensor_create(device, 0, 4, kShape, -1, &tensor, &error));
  WRONG("weft_tensor_create: dtype is 5",
        weft_tensor_create(device, 5, 4, kShape, 0, &tensor, &error));
  WRONG("weft_tensor_create: shape has rank 5",
        weft_tensor_create(device, 0, 5, kShape, 0, &tensor, &error));
  WRONG("tensor: the rank must be 1 to 4",
        weft_tensor_create(device, 0, 0, kShape, 0, &tensor, &error));
  CHECK(tensor.buffer == NULL && tensor.struct_size == sizeof tensor);
  WRONG("weft_recorder_transient: dtype is -1",
        weft_recorder_transient(recorder, -1, 4, kShape, &tensor, &error));
  WRONG("weft_recorder_transient: shape has rank 9",
        weft_recorder_transient(recorder, 0, 9, kShape, &tensor, &error));

  weft_tensor* good = TENSOR(WEFT_DTYPE_F32, NULL, 2, 2);
  const float data[4] = {1, 2, 3, 4};
  weft_tensor bad = *good;
  bad.dtype = 9;
  WRONG("weft_upload: tensor.dtype is 9", weft_upload(device, &bad, data, sizeof data, &error));
  bad = *good;
  bad.rank = 5;
  WRONG("weft_upload: tensor.shape has rank 5",
        weft_upload(device, &bad, data, sizeof data, &error));
  bad = *good;
  bad.layout = 2;
  WRONG("weft_upload: tensor.layout is 2", weft_upload(device, &bad, data, sizeof data, &error));
  bad = *good;
  bad.strides[0] = 3;
  WRONG("upload: the tensor must be dense", weft_upload(device, &bad, data, sizeof data, &error));
  WRONG("upload: the tensor holds 16 bytes", weft_upload(device, good, data, 12, &error));

  weft_attention_desc desc = kDesc;
  char* text = NULL;
  desc.mask = 3;
  WRONG("desc.mask is 3", weft_attention_explain(device, &desc, &text, &error));
  desc = kDesc;
  desc.bias = 2;
  WRONG("desc.bias is 2", weft_attention_explain(device, &desc, &text, &error));
  desc = kDesc;
  desc.kv_dtype = -4;
  WRONG("desc.kv_dtype is -4", weft_attention_explain(device, &desc, &text, &error));
  weft_plan* plan = NULL;
  desc = kDesc;
  desc.head_dim = 0;
  WRONG("head_dim", weft_plan_create(device, &desc, &plan, &error));
  weft_attention_call call = kCall;
  call.flags = WEFT_ATTENTION_LIMIT_LEFT;
  call.window_left = -2;
  WRONG("weft_attend: call.window_left is -2; it must be 0 or more",
        weft_attend(device, &call, &error));
  call.flags = WEFT_ATTENTION_LIMIT_RIGHT;
  call.window_right = -1;
  WRONG("weft_attend: call.window_right is -1", weft_attend(device, &call, &error));
  const weft_attention_weights_call weights = {
      .struct_size = sizeof weights, .stage = 4, .attention = &kCall};
  WRONG("call.stage is 4", weft_attention_weights(recorder, &weights, &error));
  const weft_linear_call linear = {.struct_size = sizeof linear, .activation = 6};
  WRONG("call.activation is 6", weft_linear(recorder, &linear, &error));
  const weft_multiply_call multiply = {.struct_size = sizeof multiply, .activation = 6};
  WRONG("call.activation is 6", weft_multiply(recorder, &multiply, &error));
  const weft_add_call add = {.struct_size = sizeof add, .gate_kind = 3};
  WRONG("call.gate_kind is 3", weft_add(recorder, &add, &error));
  const weft_rotary_call rotary = {.struct_size = sizeof rotary, .interleaved = 2};
  WRONG("call.interleaved is 2", weft_rotary(recorder, &rotary, &error));
  const weft_linear_call nothing = {.struct_size = sizeof nothing};
  WRONG("linear: input is not given", weft_linear(recorder, &nothing, &error));
}

#define FIELD(name) \
  { #name, offsetof(weft_attention_call, name) }

// A tensor that fits nowhere, in each field: the message names that field and no other.
static void test_fields(void) {
  const struct {
    const char* name;
    size_t offset;
  } fields[] = {FIELD(query),       FIELD(key),         FIELD(value),      FIELD(output),
                FIELD(logsumexp),   FIELD(keep_mask),   FIELD(drop_mask),  FIELD(bias),
                FIELD(kv_lengths),  FIELD(q_starts),    FIELD(kv_starts),  FIELD(position_offsets),
                FIELD(sinks),       FIELD(score_items), FIELD(null_key),   FIELD(value_items),
                FIELD(key_regions), FIELD(region_mask), FIELD(null_value), FIELD(query_regions),
                FIELD(weights)};
  const weft_tensor* qkv = TENSOR(WEFT_DTYPE_F32, NULL, 2, 2, 2, 8);
  const weft_tensor* out = TENSOR(WEFT_DTYPE_F32, NULL, 2, 2, 2, 8);
  const weft_tensor* odd = TENSOR(WEFT_DTYPE_F16, NULL, 3, 7);
  const weft_tensor* regions = TENSOR(WEFT_DTYPE_I32, NULL, 2, 2);
  const weft_tensor* null_keys = TENSOR(WEFT_DTYPE_F32, NULL, 2, 1, 8);
  for (size_t i = 0; i < sizeof fields / sizeof fields[0]; ++i) {
    weft_attention_call call = {
        .struct_size = sizeof call, .query = qkv, .key = qkv, .value = qkv, .output = out};
    if (strstr(fields[i].name, "region")) call.query_regions = call.key_regions = regions;
    if (strstr(fields[i].name, "null")) call.null_key = call.null_value = null_keys;
    memcpy((char*)&call + fields[i].offset, &odd, sizeof odd);
    char begins[64];
    snprintf(begins, sizeof begins, "attention: %s.", fields[i].name);
    WRONG(begins, weft_attend(device, &call, &error));
  }
}

void test_wrong_calls(void) {
  weft_recorder* recorder = NULL;
  weft_plan* plan = NULL;
  MUST(weft_recorder_create(device, &recorder, &error));
  MUST(weft_plan_create(device, &kDesc, &plan, &error));
  test_null_handles();
  test_null_outputs(recorder, plan);
  test_null_queries();
  test_numbers(recorder);
  test_fields();
  weft_plan_release(plan);
  weft_recorder_release(recorder);
  free_tensors();
}
