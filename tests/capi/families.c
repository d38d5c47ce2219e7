// Published blocks through the C ABI: a checkpoint's file, loaded by family, against the outputs
// that the family's own implementation gave (tests/vectors/families).
#include <weft/checkpoint.h>

#include "check.h"

#define FOLDER WEFT_SOURCE_DIR "/tests/vectors/families/"

static weft_recorder* recorder;

static weft_checkpoint* open(const char* path) {
  weft_checkpoint* checkpoint = NULL;
  if (!MUST(weft_checkpoint_open(path, &checkpoint, &error))) exit(1);
  return checkpoint;
}

// Reads a tensor of a source, as `dtype`. What it gives is freed with free().
static void* read_all(const weft_tensor_source* source, const char* name, weft_dtype dtype,
                      uint32_t* rank, int64_t* shape) {
  MUST(source->shape(source->user, name, rank, shape, &error));
  uint64_t bytes = 4;
  for (uint32_t i = 0; i < *rank; ++i) bytes *= (uint64_t)shape[i];
  void* data = malloc(bytes);
  MUST(source->read(source->user, name, dtype, 0, data, bytes, &error));
  return data;
}

static weft_tensor* load(const weft_tensor_source* source, const char* name, weft_dtype dtype) {
  uint32_t rank = 0;
  int64_t shape[WEFT_MAX_SOURCE_RANK];
  void* data = read_all(source, name, dtype, &rank, shape);
  weft_tensor* tensor = make_tensor(dtype, rank, shape, data);
  free(data);
  return tensor;
}

// That `output` is the source's tensor of that name.
static void check_stored(const weft_tensor_source* source, const char* name,
                         const weft_tensor* output) {
  uint32_t rank = 0;
  int64_t shape[WEFT_MAX_SOURCE_RANK];
  float* wanted = read_all(source, name, WEFT_DTYPE_F32, &rank, shape);
  float* found = malloc(bytes_of(output));
  get(output, found);
  CHECK(close_to(found, wanted, bytes_of(output) / 4, 1e-4f));
  free(wanted);
  free(found);
}

static void submit(void) {
  weft_ticket ticket = 0;
  MUST(weft_recorder_submit(recorder, &ticket, &error));
  MUST(weft_wait(device, ticket, UINT64_MAX, &error));
}

// What the tests of a family need: the stack, its inputs and its output.
struct world {
  weft_checkpoint *weights, *vectors;
  const weft_tensor_source* io;
  weft_fusion_stack* stack;
  weft_fusion_call call;
};

static struct world begin(const char* family, const char* weights, const char* vectors,
                          const char* prefix, uint32_t heads) {
  struct world w = {.weights = open(weights), .vectors = open(vectors)};
  w.io = weft_checkpoint_source(w.vectors);
  const weft_family_options options = {.struct_size = sizeof options, .heads = heads};
  MUST(weft_fusion_stack_load(device, weft_checkpoint_source(w.weights), family, prefix, &options,
                              &w.stack, &error));
  CHECK(weft_fusion_stack_retain(w.stack) == w.stack);
  weft_fusion_stack_release(w.stack);
  w.call = (weft_fusion_call){.struct_size = sizeof w.call,
                              .context = load(w.io, "context", WEFT_DTYPE_F32),
                              .query = load(w.io, "query", WEFT_DTYPE_F32)};
  w.call.output = make_tensor(WEFT_DTYPE_F32, 3, w.call.query->shape, NULL);
  return w;
}

// Runs it; the stack may go once it is recorded.
static void end(struct world* w) {
  MUST(weft_fuse(recorder, w->stack, &w->call, &error));
  weft_fusion_stack_release(w->stack);
  submit();
  check_stored(w->io, "output", w->call.output);
  if (w->call.context_output) check_stored(w->io, "context_output", w->call.context_output);
  weft_checkpoint_release(w->weights);
  weft_checkpoint_release(w->vectors);
  free_tensors();
}

static weft_status count_calls(void* user, weft_recorder* r, const weft_attention_call* call,
                               weft_error* e) {
  ++*(int*)user;
  return weft_attention(r, call, e);
}

// A mask in the attention's options, and a callback in its place.
static void test_t5(void) {
  struct world w = begin("t5", FOLDER "t5.safetensors", FOLDER "t5.io.safetensors",
                         "decoder.block.1.layer.1.", 3);
  const weft_attention_call options = {.struct_size = sizeof options,
                                       .keep_mask = load(w.io, "keep_mask", WEFT_DTYPE_I32)};
  int calls = 0;
  w.call.attention = &options;
  w.call.attend = count_calls;
  w.call.attend_user = &calls;
  end(&w);
  CHECK(calls == 1);
}

// A further source with a factor and rows where it applies.
static void test_ip_adapter(void) {
  struct world w =
      begin("ip_adapter", FOLDER "ip_adapter.safetensors", FOLDER "ip_adapter.io.safetensors",
            "down_blocks.0.attentions.0.transformer_blocks.0.", 2);
  const weft_gate gate = {.struct_size = sizeof gate,
                          .kind = WEFT_GATE_VALUE,
                          .value = load(w.io, "factor.1", WEFT_DTYPE_F32)};
  const weft_source_call image = {.struct_size = sizeof image,
                                  .context = load(w.io, "context.1", WEFT_DTYPE_F32),
                                  .gate = &gate,
                                  .row_factors = load(w.io, "row_factors.1", WEFT_DTYPE_F32)};
  const weft_source_call* sources[] = {&image};
  w.call.more_sources = sources;
  w.call.more_source_count = 1;
  end(&w);
}

// Two streams that both change.
static void test_lxmert(void) {
  struct world w = begin("lxmert", FOLDER "lxmert.safetensors", FOLDER "lxmert.io.safetensors",
                         "lxmert.encoder.x_layers.0.", 3);
  const weft_attention_call options = {.struct_size = sizeof options,
                                       .keep_mask = load(w.io, "keep_mask", WEFT_DTYPE_I32)};
  const weft_attention_call swapped = {
      .struct_size = sizeof swapped, .keep_mask = load(w.io, "swapped_keep_mask", WEFT_DTYPE_I32)};
  w.call.attention = &options;
  w.call.swapped_attention = &swapped;
  w.call.context_output = make_tensor(WEFT_DTYPE_F32, 3, w.call.context->shape, NULL);
  end(&w);
}

static void test_list(void) {
  const uint32_t count = weft_family_count();
  CHECK(count >= 20);
  int found = 0;
  for (uint32_t i = 0; i < count; ++i) {
    weft_family_info info = {.struct_size = sizeof info};
    MUST(weft_family_get(i, &info, &error));
    CHECK(info.name[0] && info.models[0] && info.block[0] && info.example[0]);
    found += strcmp(info.name, "t5") == 0;
  }
  CHECK(found == 1);
  weft_family_info info = {.struct_size = sizeof info};
  WRONG("weft_family_get: index is", weft_family_get(count, &info, &error));
  WRONG("weft_family_get: info is NULL", weft_family_get(0, NULL, &error));
}

// ---- Sources of the app's own ----

// A source that passes on another one's, but for what is wrong about it.
struct passing {
  const weft_tensor_source* to;
  const char* hidden;  // this tensor's name is another one
  const char* twice;   // tensor 4 has this name too
  uint32_t rank;       // of every tensor; 0: its own
  int64_t length;      // of every first axis; 0: its own
  weft_status reads;   // what read returns
  int nameless;
};

static const char* pass_name(void* user, uint64_t index) {
  const struct passing* p = user;
  if (p->nameless) return NULL;
  const char* name = p->to->name(p->to->user, index);
  if (p->twice && index == 4) return p->twice;
  return p->hidden && strcmp(name, p->hidden) == 0 ? "something.else" : name;
}
static weft_status pass_shape(void* user, const char* name, uint32_t* rank, int64_t* shape,
                              weft_error* e) {
  const struct passing* p = user;
  const weft_status status = p->to->shape(p->to->user, name, rank, shape, e);
  if (p->rank > 0) *rank = p->rank;
  if (p->length != 0) shape[0] = p->length;
  return status;
}
static weft_status pass_read(void* user, const char* name, weft_dtype dtype, uint64_t first,
                             void* data, uint64_t bytes, weft_error* e) {
  const struct passing* p = user;
  if (p->reads != WEFT_OK) return p->reads;
  return p->to->read(p->to->user, name, dtype, first, data, bytes, e);
}

static weft_status load_stack(const void* source, const weft_family_options* options) {
  weft_fusion_stack* stack = (weft_fusion_stack*)&error;  // must be emptied
  const weft_status status = weft_fusion_stack_load(
      device, source, "t5", "decoder.block.1.layer.1.", options, &stack, &error);
  CHECK((stack == NULL) == (status != WEFT_OK));
  weft_fusion_stack_release(stack);
  return status;
}

static weft_tensor_source own_source(struct passing* passing) {
  return (weft_tensor_source){.struct_size = sizeof(weft_tensor_source),
                              .user = passing,
                              .count = passing->to->count,
                              .name = pass_name,
                              .shape = pass_shape,
                              .read = pass_read};
}

// One block, with everything there; with a tensor missing; of another shape.
static void check_found(const weft_tensor_source* source, const char* missing, const char* wrong) {
  weft_block_list* list = NULL;
  MUST(weft_find_blocks(source, &list, &error));
  if (!CHECK(weft_block_list_count(list) >= 1)) return;
  weft_found_block block = {.struct_size = sizeof block};
  MUST(weft_block_list_get(list, 0, &block, &error));
  CHECK(strcmp(block.family, "t5") == 0 && strcmp(block.prefix, "decoder.block.1.layer.1.") == 0);
  CHECK(strstr(block.missing, missing) && (missing[0] || !block.missing[0]));
  CHECK(strstr(block.wrong, wrong) && (wrong[0] || !block.wrong[0]));
  if (!missing[0] && !wrong[0]) CHECK(block.dim == 40 && block.context_dim == 40);
  WRONG("weft_block_list_get: index is",
        weft_block_list_get(list, weft_block_list_count(list), &block, &error));
  WRONG("weft_block_list_get: block is NULL", weft_block_list_get(list, 0, NULL, &error));
  weft_block_list_release(list);
}

static void test_sources(void) {
  const char* out_name = "decoder.block.1.layer.1.EncDecAttention.o.weight";
  weft_checkpoint* checkpoint = open(FOLDER "t5.safetensors");
  const weft_tensor_source* source = weft_checkpoint_source(checkpoint);
  const weft_family_options options = {.struct_size = sizeof options, .heads = 3};
  check_found(source, "", "");

  const struct passing right = {.to = source};
  struct passing passing = right;
  const weft_tensor_source own = own_source(&passing);
  check_found(&own, "", "");
  MUST(load_stack(&own, &options));
  passing.hidden = out_name;
  check_found(&own, out_name, "");
  WRONG(out_name, load_stack(&own, &options));
  passing = right;
  passing.length = 5;
  check_found(&own, "", "shape [5, ");
  WRONG("load_family: t5", load_stack(&own, &options));
  passing = right;
  passing.reads = WEFT_DEVICE_LOST;
  REFUSED(WEFT_DEVICE_LOST, "weft_fusion_stack_load: source.read returned 4",
          load_stack(&own, &options));
  passing = right;
  passing.twice = out_name;
  WRONG("source.name gives \"decoder.block.1.layer.1.EncDecAttention.o.weight\" twice",
        load_stack(&own, &options));
  passing = right;
  passing.nameless = 1;
  WRONG("weft_fusion_stack_load: source.name gives NULL for tensor 0", load_stack(&own, &options));
  passing = right;
  passing.rank = WEFT_MAX_SOURCE_RANK + 1;
  WRONG("", load_stack(&own, &options));
  passing = right;
  passing.length = -1;
  WRONG("", load_stack(&own, &options));

  weft_tensor_source partial = own;
  partial.shape = NULL;
  WRONG("source must have all three functions", load_stack(&partial, &options));
  weft_checkpoint_release(checkpoint);
}

// ---- Structs ----

static weft_checkpoint *t5, *diffusion;
static weft_fusion_stack* diffusion_stack;

static weft_status load_from(const void* in) {
  const weft_family_options options = {.struct_size = sizeof options, .heads = 3};
  return load_stack(in, &options);
}
static weft_status load_diffusion(const weft_family_options* options, weft_fusion_stack** stack) {
  return weft_fusion_stack_load(device, weft_checkpoint_source(diffusion), "stable_diffusion",
                                "down_blocks.0.attentions.0.transformer_blocks.0.", options, stack,
                                &error);
}
static weft_status load_with(const void* in) {
  weft_fusion_stack* stack = NULL;
  const weft_status status = load_diffusion(in, &stack);
  CHECK((stack == NULL) == (status != WEFT_OK));
  weft_fusion_stack_release(stack);
  return status;
}
static weft_status fuse(const void* in) { return weft_fuse(recorder, diffusion_stack, in, &error); }

// Structs of older and newer callers; those that are filled as short as the caller likes.
static void test_family_structs(void) {
  t5 = open(FOLDER "t5.safetensors");
  diffusion = open(FOLDER "stable_diffusion.safetensors");  // its width suits the default heads
  const weft_tensor_source source = *weft_checkpoint_source(t5);
  IN_WHOLE(source, load_from);
  weft_tensor_source reserved = source;
  reserved.reserved = 1;
  REFUSED(WEFT_UNSUPPORTED, "source.reserved is 1", load_from(&reserved));
  const weft_family_options options = {.struct_size = sizeof options};
  IN(options, heads, load_with);
  MUST(load_diffusion(NULL, &diffusion_stack));
  const weft_fusion_call call = {.struct_size = sizeof call,
                                 .context = TENSOR(WEFT_DTYPE_F32, NULL, 1, 2, 28),
                                 .output = TENSOR(WEFT_DTYPE_F32, NULL, 1, 3, 40),
                                 .query = TENSOR(WEFT_DTYPE_F32, NULL, 1, 3, 40)};
  IN(call, context_output, fuse);
  weft_fusion_stack_release(diffusion_stack);
  weft_checkpoint_release(diffusion);

  weft_family_info info;
  memset(&info, 0xaa, sizeof info);
  info.struct_size = offsetof(weft_family_info, block);
  MUST(weft_family_get(0, &info, &error));
  CHECK(info.models[0] != '\0' && *(unsigned char*)&info.block == 0xaa);
  info.struct_size = 4;
  WRONG("info.struct_size is 4", weft_family_get(0, &info, &error));
  weft_block_list* list = NULL;
  MUST(weft_find_blocks(&source, &list, &error));
  weft_found_block block;
  memset(&block, 0xaa, sizeof block);
  block.struct_size = offsetof(weft_found_block, prefix);
  MUST(weft_block_list_get(list, 0, &block, &error));
  CHECK(strcmp(block.family, "t5") == 0 && *(unsigned char*)&block.prefix == 0xaa);
  block.struct_size = 4;
  WRONG("block.struct_size is 4", weft_block_list_get(list, 0, &block, &error));
  weft_block_list_release(list);
  weft_checkpoint_release(t5);
}

static void test_wrong_loads(void) {
  weft_checkpoint* checkpoint = open(FOLDER "t5.safetensors");
  const weft_tensor_source* source = weft_checkpoint_source(checkpoint);
  weft_fusion_stack* stack = (weft_fusion_stack*)&error;
  WRONG("weft_fusion_stack_load: device is NULL",
        weft_fusion_stack_load(NULL, source, "t5", "", NULL, &stack, &error));
  CHECK(stack == NULL);
  WRONG("weft_fusion_stack_load: stack is NULL",
        weft_fusion_stack_load(device, source, "t5", "", NULL, NULL, &error));
  WRONG("weft_fusion_stack_load: source is NULL",
        weft_fusion_stack_load(device, NULL, "t5", "", NULL, &stack, &error));
  WRONG("weft_fusion_stack_load: family is NULL",
        weft_fusion_stack_load(device, source, NULL, "", NULL, &stack, &error));
  WRONG("weft_fusion_stack_load: prefix is NULL",
        weft_fusion_stack_load(device, source, "t5", NULL, NULL, &stack, &error));
  WRONG("there is no family \"t6\"",
        weft_fusion_stack_load(device, source, "t6", "", NULL, &stack, &error));
  weft_family_options options = {.struct_size = sizeof options, .dtype = 7};
  WRONG("weft_fusion_stack_load: options.dtype is 7", load_stack(source, &options));
  options.dtype = WEFT_DTYPE_I32;
  WRONG("load_family: dtype is i32", load_stack(source, &options));
  options.dtype = WEFT_DTYPE_F16;
  options.heads = 5;
  WRONG("load_family: t5", load_stack(source, &options));
  weft_block_list* list = (weft_block_list*)&error;
  WRONG("weft_find_blocks: source is NULL", weft_find_blocks(NULL, &list, &error));
  CHECK(list == NULL);
  WRONG("weft_find_blocks: list is NULL", weft_find_blocks(source, NULL, &error));
  weft_found_block block = {.struct_size = sizeof block};
  WRONG("weft_block_list_get: list is NULL", weft_block_list_get(NULL, 0, &block, &error));
  CHECK(weft_block_list_count(NULL) == 0 && weft_fusion_stack_retain(NULL) == NULL);
  weft_block_list_release(NULL);
  weft_fusion_stack_release(NULL);

  const weft_fusion_call call = {.struct_size = sizeof call};
  WRONG("weft_fuse: recorder is NULL", weft_fuse(NULL, NULL, &call, &error));
  WRONG("weft_fuse: stack is NULL", weft_fuse(recorder, NULL, &call, &error));
  options.heads = 3;
  MUST(weft_fusion_stack_load(device, source, "t5", "decoder.block.1.layer.1.", &options, &stack,
                              &error));
  WRONG("weft_fuse: call is NULL", weft_fuse(recorder, stack, NULL, &error));
  WRONG("fuse (t5): context is not given", weft_fuse(recorder, stack, &call, &error));
  weft_fusion_stack_release(stack);
  weft_checkpoint_release(checkpoint);
}

static void test_checkpoint(void) {
  weft_checkpoint* checkpoint = (weft_checkpoint*)&error;
  WRONG("no_such_file", weft_checkpoint_open("no_such_file", &checkpoint, &error));
  CHECK(checkpoint == NULL);
  WRONG("weft_checkpoint_open: path is NULL", weft_checkpoint_open(NULL, &checkpoint, &error));
  WRONG("weft_checkpoint_open: checkpoint is NULL", weft_checkpoint_open("x", NULL, &error));
  CHECK(weft_checkpoint_retain(NULL) == NULL && weft_checkpoint_source(NULL) == NULL);
  weft_checkpoint_release(NULL);

  checkpoint = open(FOLDER "t5.safetensors");
  CHECK(weft_checkpoint_retain(checkpoint) == checkpoint);
  weft_checkpoint_release(checkpoint);
  const weft_tensor_source* source = weft_checkpoint_source(checkpoint);
  CHECK(source->struct_size == sizeof *source && source->count == 5);
  const char* norm = source->name(source->user, 4);  // in order of bytes
  CHECK(strcmp(norm, "decoder.block.1.layer.1.layer_norm.weight") == 0);
  CHECK(source->name(source->user, 5) == NULL);
  uint32_t rank = 9;
  int64_t shape[WEFT_MAX_SOURCE_RANK];
  MUST(source->shape(source->user, norm, &rank, shape, &error));
  CHECK(rank == 1 && shape[0] == 40);
  float all[40], last[2];
  MUST(source->read(source->user, norm, WEFT_DTYPE_F32, 0, all, sizeof all, &error));
  MUST(source->read(source->user, norm, WEFT_DTYPE_F32, 38, last, sizeof last, &error));
  CHECK(last[0] == all[38] && last[1] == all[39] && fabsf(all[0]) < 10);
  WRONG("nothing", source->shape(source->user, "nothing", &rank, shape, &error));
  CHECK(rank == 0);
  WRONG("nothing", source->read(source->user, "nothing", 0, 0, all, sizeof all, &error));
  WRONG("weft_checkpoint: name is NULL", source->shape(source->user, NULL, &rank, shape, &error));
  WRONG("weft_checkpoint: rank is NULL", source->shape(source->user, norm, NULL, shape, &error));
  WRONG("weft_checkpoint: shape is NULL", source->shape(source->user, norm, &rank, NULL, &error));
  WRONG("weft_checkpoint: name is NULL", source->read(source->user, NULL, 0, 0, all, 4, &error));
  WRONG("weft_checkpoint: data is NULL", source->read(source->user, norm, 0, 0, NULL, 4, &error));
  WRONG("", source->read(source->user, norm, 0, 39, last, sizeof last, &error));
  WRONG("", source->read(source->user, norm, 99, 0, all, sizeof all, &error));
  weft_checkpoint_release(checkpoint);
}

void test_families(void) {
  MUST(weft_recorder_create(device, &recorder, &error));
  test_checkpoint();
  test_list();
  test_t5();
  test_ip_adapter();
  test_lxmert();
  test_sources();
  test_family_structs();
  test_wrong_loads();
  weft_recorder_release(recorder);
  free_tensors();
}
