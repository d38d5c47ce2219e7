// Blocks of published models in C.
#include <algorithm>

#include "capi/fusion.hpp"

using namespace weft;
using namespace weft::capi;

struct weft_block_list : Handle {
  struct Block {
    FoundBlock found;
    std::string missing, wrong;
  };
  std::vector<Block> blocks;
};
struct weft_fusion_stack : Handle {
  FusionStack stack;
};

namespace {

// The caller's functions as a source.
class CallerSource final : public TensorSource {
 public:
  static Result<CallerSource> read(Function function, const weft_tensor_source* in) {
    WEFT_ASSIGN(const weft_tensor_source source, capi::read(function, "source", in));
    if (!source.name || !source.shape || !source.read)
      return function.broken("source must have all three functions");
    CallerSource out(function, source);
    for (uint64_t i = 0; i < source.count; ++i) {
      const char* name = source.name(source.user, i);
      if (!name) return function.broken("source.name gives NULL for tensor ", i);
      out.names_.emplace_back(name);
    }
    std::ranges::sort(out.names_);
    if (const auto twice = std::ranges::adjacent_find(out.names_); twice != out.names_.end())
      return function.broken("source.name gives \"", *twice, "\" twice");
    return out;
  }

  std::vector<std::string> names() const override { return names_; }
  bool contains(std::string_view name) const override {
    return std::binary_search(names_.begin(), names_.end(), name);
  }

  Result<std::vector<int64_t>> shape(std::string_view name) const override {
    int64_t lengths[WEFT_MAX_SOURCE_RANK] = {};
    uint32_t rank = 0;
    weft_error error{};
    const weft_status status =
        source_.shape(source_.user, std::string(name).c_str(), &rank, lengths, &error);
    WEFT_TRY(returned(function_, "source.shape", status, error));
    if (rank > WEFT_MAX_SOURCE_RANK)
      return function_.broken("source.shape gives \"", name, "\" rank ", rank, "; it must be ",
                              WEFT_MAX_SOURCE_RANK, " at most");
    const auto end = lengths + rank;
    if (const auto negative = std::find_if(lengths, end, [](int64_t length) { return length < 0; });
        negative != end)
      return function_.broken("source.shape gives \"", name, "\" a length of ", *negative,
                              "; it must be 0 or more");
    return std::vector<int64_t>(lengths, end);
  }

  Result<void> read(std::string_view name, DType dtype, uint64_t first,
                    std::span<std::byte> out) const override {
    weft_error error{};
    const weft_status status =
        source_.read(source_.user, std::string(name).c_str(), static_cast<weft_dtype>(dtype), first,
                     out.data(), out.size(), &error);
    return returned(function_, "source.read", status, error);
  }

 private:
  CallerSource(Function function, const weft_tensor_source& source)
      : function_(function), source_(source) {}

  Function function_;
  weft_tensor_source source_;
  std::vector<std::string> names_;
};

std::string lines_of(const std::vector<std::string>& texts) {
  std::string out;
  for (const std::string& each : texts) out += (out.empty() ? "" : "\n") + each;
  return out;
}

Result<FamilyOptions> read_options(Function function, const weft_family_options* in) {
  FamilyOptions out;
  if (!in) return out;
  WEFT_ASSIGN(const weft_family_options options, read(function, "options", in));
  WEFT_ASSIGN(out.dtype, read_dtype(function, "options.dtype", options.dtype));
  out.heads = options.heads;
  out.kv_heads = options.kv_heads;
  out.epsilon = options.epsilon;
  out.scale = options.scale;
  out.chunk_len = options.chunk_len;
  return out;
}

}  // namespace

uint32_t weft_family_count(void) { return static_cast<uint32_t>(families().size()); }

weft_status weft_family_get(uint32_t index, weft_family_info* info, weft_error* error) {
  return run({__func__}, error, [&](Function function) -> Result<void> {
    WEFT_TRY(begin_output(function, "info", info));
    if (index >= families().size())
      return function.broken("index is ", index, "; there are ", families().size(), " families");
    const FamilyInfo& from = families()[index];
    weft_family_info to{};
    to.name = from.name;
    to.models = from.models;
    to.block = from.block;
    to.example = from.example;
    write(to, info);
    return {};
  });
}

weft_status weft_find_blocks(const weft_tensor_source* source, weft_block_list** list,
                             weft_error* error) {
  return run({__func__}, error, [&](Function function) -> Result<void> {
    WEFT_TRY(begin_output(function, "list", list));
    WEFT_ASSIGN(const CallerSource from, CallerSource::read(function, source));
    std::vector<weft_block_list::Block> blocks;
    for (FoundBlock& found : find_blocks(from)) {
      std::string missing = lines_of(found.missing), wrong = lines_of(found.wrong);
      blocks.push_back({std::move(found), std::move(missing), std::move(wrong)});
    }
    return make(function, HostAllocator{}, list, std::move(blocks));
  });
}

uint32_t weft_block_list_count(const weft_block_list* list) {
  return list ? static_cast<uint32_t>(list->blocks.size()) : 0;
}

weft_status weft_block_list_get(const weft_block_list* list, uint32_t index,
                                weft_found_block* block, weft_error* error) {
  return run({__func__}, error, [&](Function function) -> Result<void> {
    WEFT_TRY(function.given("list", list));
    WEFT_TRY(begin_output(function, "block", block));
    if (index >= list->blocks.size())
      return function.broken("index is ", index, "; the list has ", list->blocks.size(), " blocks");
    const weft_block_list::Block& from = list->blocks[index];
    weft_found_block to{};
    to.heads = from.found.heads;
    to.family = from.found.family.c_str();
    to.prefix = from.found.prefix.c_str();
    to.kv_heads = from.found.kv_heads;
    to.dim = from.found.dim;
    to.context_dim = from.found.context_dim;
    to.head_dim = from.found.head_dim;
    to.missing = from.missing.c_str();
    to.wrong = from.wrong.c_str();
    write(to, block);
    return {};
  });
}

void weft_block_list_release(weft_block_list* list) { release(list); }

weft_status weft_fusion_stack_load(const weft_device* device, const weft_tensor_source* source,
                                   const char* family, const char* prefix,
                                   const weft_family_options* options, weft_fusion_stack** stack,
                                   weft_error* error) {
  return run({__func__}, error, [&](Function function) -> Result<void> {
    WEFT_TRY(begin_output(function, "stack", stack));
    WEFT_TRY(function.given("device", device));
    WEFT_ASSIGN(const CallerSource from, CallerSource::read(function, source));
    WEFT_TRY(function.given("family", family));
    WEFT_TRY(function.given("prefix", prefix));
    WEFT_ASSIGN(const FamilyOptions chosen, read_options(function, options));
    WEFT_ASSIGN(FusionStack loaded, load_family(device->device, from, family, prefix, chosen));
    return make(function, device->allocator, stack, std::move(loaded));
  });
}

weft_fusion_stack* weft_fusion_stack_retain(weft_fusion_stack* stack) { return retain(stack); }
void weft_fusion_stack_release(weft_fusion_stack* stack) { release(stack); }

weft_status weft_fuse(weft_recorder* recorder, const weft_fusion_stack* stack,
                      const weft_fusion_call* call, weft_error* error) {
  return run({__func__}, error, [&](Function function) -> Result<void> {
    WEFT_TRY(function.given("recorder", recorder));
    WEFT_TRY(function.given("stack", stack));
    WEFT_ASSIGN(const weft_fusion_call in, read(function, "call", call));
    FusionCall out;
    WEFT_TRY(read_tensors(
        function, "call",
        {{"context", in.context, &out.context},
         {"output", in.output, &out.output},
         {"query", in.query, &out.query},
         {"context_output", in.context_output, &out.context_output},
         {"query_position", in.query_position, &out.query_position},
         {"context_position", in.context_position, &out.context_position},
         {"query_angles", in.query_angles, &out.query_angles},
         {"key_angles", in.key_angles, &out.key_angles},
         {"row_factors", in.row_factors, &out.row_factors},
         {"feed_forward_factors", in.feed_forward_factors, &out.feed_forward_factors}}));
    WEFT_ASSIGN(out.attention, capi::read_options(function, "call.attention", in.attention));
    WEFT_ASSIGN(out.swapped_attention,
                capi::read_options(function, "call.swapped_attention", in.swapped_attention));
    WEFT_ASSIGN(out.more_sources,
                read_sources(function, "call.more_sources", in.more_sources, in.more_source_count));
    out.attend = to_function(function, recorder, in.attend, in.attend_user);
    return fuse(recorder->recorder, stack->stack, out);
  });
}
