// The C functions of fusion blocks, and their structs, each inside a valid call.
#include "bad_input/capi_world.hpp"

namespace weft::test {
namespace {

void must_c(weft_status status) { REQUIRE(status == WEFT_OK); }

// A block without parts on rows [8, 8], and what its parts may be.
struct Blocks {
  const CWorld& w;
  weft_projection projection = sized<weft_projection>();
  weft_norm norm = sized<weft_norm>();
  weft_gate gate = sized<weft_gate>();
  weft_feed_forward_block feed_forward = sized<weft_feed_forward_block>();
  weft_attention_source source = sized<weft_attention_source>();
  weft_source_call source_call = sized<weft_source_call>();
  weft_cross_attention_block block = sized<weft_cross_attention_block>();
  weft_cross_attention_call call = sized<weft_cross_attention_call>();
  weft_prepare_call prepare = sized<weft_prepare_call>();
  weft_joint_attention_call joint = sized<weft_joint_attention_call>();
  weft_attention_call part = sized<weft_attention_call>();
  const weft_attention_call* parts[1] = {&part};
  weft_similarity_block similarity = sized<weft_similarity_block>();

  explicit Blocks(const CWorld& world) : w(world) {
    projection.weight = &w.x;
    feed_forward.up = feed_forward.down = &projection;
    source_call.context = &w.x;
    call.query = call.context = &w.x;
    call.output = &w.y;
    prepare.context = &w.x;
    part.query = &w.q, part.key = &w.k, part.value = &w.v;
    joint.parts = parts;
    joint.part_count = 1;
    joint.output = &w.o;
  }
  Blocks(const Blocks&) = delete;
  Blocks& operator=(const Blocks&) = delete;

  weft_status cross(const weft_cross_attention_block* what, weft_error* e) const {
    return weft_cross_attention(w.recorder, what, &call, e);
  }
  // With one part of the block set by `set`.
  template <class Set>
  weft_status with(Set set, weft_error* e) const {
    weft_cross_attention_block changed = block;
    set(changed);
    return cross(&changed, e);
  }
  weft_status with_sources(const weft_attention_source* weights, const weft_source_call* of_call,
                           weft_error* e) const {
    weft_cross_attention_block changed = block;
    weft_cross_attention_call other = call;
    changed.more_sources = &weights;
    other.more_sources = &of_call;
    changed.more_source_count = other.more_source_count = 1;
    return weft_cross_attention(w.recorder, &changed, &other, e);
  }
};

Rows part_rows(const Blocks& b) {
  Rows rows;
  const std::string cross = "weft_cross_attention";
  const auto add = [&]<class Part>(const std::string& argument, const Part& valid, auto make) {
    must_c(make(&valid, nullptr));
    add_struct_rows<Part>(rows, cross, argument, valid, make);
    // Parts may be NULL, which leaves them out: no row of their own.
    std::erase_if(rows,
                  [](const Row& row) { return row.name.find(" without block.") != row.name.npos; });
  };
  add("block.query", b.projection, [&](const weft_projection* in, weft_error* e) {
    return b.with([&](auto& block) { block.query = in; }, e);
  });
  add("block.post_norm", b.norm, [&](const weft_norm* in, weft_error* e) {
    return b.with([&](auto& block) { block.post_norm = in; }, e);
  });
  add("block.gate", b.gate, [&](const weft_gate* in, weft_error* e) {
    return b.with([&](auto& block) { block.gate = in; }, e);
  });
  add("block.feed_forward", b.feed_forward, [&](const weft_feed_forward_block* in, weft_error* e) {
    return b.with([&](auto& block) { block.feed_forward = in; }, e);
  });
  add("block.more_sources[0]", b.source, [&](const weft_attention_source* in, weft_error* e) {
    return b.with_sources(in, &b.source_call, e);
  });
  add("call.more_sources[0]", b.source_call,
      [&](const weft_source_call* in, weft_error* e) { return b.with_sources(&b.source, in, e); });
  return rows;
}

Rows call_rows(const Blocks& b) {
  Rows rows;
  weft_recorder* r = b.w.recorder;
  add_struct_rows<weft_cross_attention_block>(
      rows, "weft_cross_attention", "block", b.block,
      [&](const weft_cross_attention_block* in, weft_error* e) { return b.cross(in, e); });
  add_struct_rows<weft_cross_attention_call>(
      rows, "weft_cross_attention", "call", b.call,
      [&b, r](const weft_cross_attention_call* in, weft_error* e) {
        return weft_cross_attention(r, &b.block, in, e);
      });
  add_struct_rows<weft_cross_attention_call>(
      rows, "weft_co_attention", "left", b.call,
      [&b, r](const weft_cross_attention_call* in, weft_error* e) {
        return weft_co_attention(r, &b.block, &b.block, in, &b.call, e);
      });
  add_struct_rows<weft_feed_forward_block>(
      rows, "weft_feed_forward", "block", b.feed_forward,
      [&b, r](const weft_feed_forward_block* in, weft_error* e) {
        return weft_feed_forward(r, in, &b.w.x, &b.w.y, nullptr, e);
      });
  add_struct_rows<weft_prepare_call>(rows, "weft_prepare_context", "call", b.prepare,
                                     [&b, r](const weft_prepare_call* in, weft_error* e) {
                                       auto key = sized<weft_tensor>(), value = key;
                                       const weft_status status =
                                           weft_prepare_context(r, &b.block, in, &key, &value, e);
                                       CHECK(!key.buffer);
                                       CHECK(!value.buffer);
                                       return status;
                                     });
  add_struct_rows<weft_joint_attention_call>(
      rows, "weft_joint_attention", "call", b.joint,
      [r](const weft_joint_attention_call* in, weft_error* e) {
        return weft_joint_attention(r, in, e);
      });
  add_struct_rows<weft_similarity_block>(rows, "weft_similarity", "block", b.similarity,
                                         [&b, r](const weft_similarity_block* in, weft_error* e) {
                                           return weft_similarity(r, in, &b.w.x, &b.w.x, &b.w.y, e);
                                         });
  const auto attention = sized<weft_attention_call>();
  must_c(weft_cross_attention(r, &b.block, &b.call, nullptr));
  add_struct_rows<weft_attention_call>(rows, "weft_cross_attention", "call.attention", attention,
                                       [&b, r](const weft_attention_call* in, weft_error* e) {
                                         weft_cross_attention_call call = b.call;
                                         call.attention = in;
                                         return weft_cross_attention(r, &b.block, &call, e);
                                       });
  std::erase_if(rows, [](const Row& row) {  // NULL: no options
    return row.name.ends_with(" without call.attention");
  });
  return rows;
}

// An app's own source of weights: one tensor, of no family.
Rows source_rows(const CWorld& w) {
  Rows rows;
  static auto source = sized<weft_tensor_source>();
  source.count = 1;
  source.name = [](void*, uint64_t) -> const char* { return "x"; };
  source.shape = [](void*, const char*, uint32_t* rank, int64_t*, weft_error*) -> weft_status {
    *rank = 0;
    return WEFT_OK;
  };
  source.read = [](void*, const char*, weft_dtype, uint64_t, void*, uint64_t,
                   weft_error*) -> weft_status { return WEFT_INTERNAL; };
  const auto find = [](const weft_tensor_source* in, weft_error* e) {
    weft_block_list* list = nullptr;
    const weft_status status = weft_find_blocks(in, &list, e);
    CHECK((list != nullptr) == (status == WEFT_OK));
    CHECK(weft_block_list_count(list) == 0);
    weft_block_list_release(list);
    return status;
  };
  must_c(find(&source, nullptr));
  add_struct_rows<weft_tensor_source>(rows, "weft_find_blocks", "source", source, find);
  const auto load = [d = w.device](const weft_family_options* options, weft_error* e) {
    weft_fusion_stack* stack = nullptr;
    const weft_status status = weft_fusion_stack_load(d, &source, "t5", "", options, &stack, e);
    CHECK(stack == nullptr);
    return status;
  };
  add_struct_rows<weft_family_options>(rows, "weft_fusion_stack_load", "options",
                                       sized<weft_family_options>(), load);
  for (Row& row : rows)  // NULL is all defaults: then the source is what is wrong
    if (row.name == "weft_fusion_stack_load without options")
      row.says = {"load_family: t5", "nothing of it is in the source"};
  return rows;
}

}  // namespace

size_t check_capi_blocks() {
  const CWorld w;
  const Blocks blocks(w);
  const auto work = [&] { return w.submitted(); };
  return check_rows("C blocks", part_rows(blocks), work) +
         check_rows("C blocks' calls", call_rows(blocks), work) +
         check_rows("C sources", source_rows(w), work);
}

}  // namespace weft::test
