// The families' tables against sources in memory: names, shapes, and which family a block belongs
// to. No device.
#include "weft/families.hpp"

#include <algorithm>
#include <catch2/catch_test_macros.hpp>
#include <map>
#include <set>
#include <string>

#include "fusion/families/resolve.hpp"

namespace weft::family {
namespace {

using Shapes = std::map<std::string, std::vector<int64_t>, std::less<>>;

class Memory final : public TensorSource {
 public:
  explicit Memory(Shapes shapes) : shapes_(std::move(shapes)) {}
  std::vector<std::string> names() const override {
    std::vector<std::string> out;
    for (const auto& [name, shape] : shapes_) out.push_back(name);
    return out;
  }
  bool contains(std::string_view name) const override { return shapes_.contains(name); }
  Result<std::vector<int64_t>> shape(std::string_view name) const override {
    const auto at = shapes_.find(name);
    if (at == shapes_.end()) return fail(Code::invalid_argument, "no such tensor");
    return at->second;
  }
  Result<void> read(std::string_view, DType, uint64_t, std::span<std::byte>) const override {
    return fail(Code::unsupported, "shapes only");
  }

 private:
  Shapes shapes_;
};

constexpr int64_t kLengths[] = {12, 6, 2, 6, 8, 10, 20, 5, 7, 3};  // of the letters in kLetters
constexpr std::string_view kLetters = "QKHVDCFNIP";

// The shape that the first alternative of a pattern asks for.
std::vector<int64_t> shape_of(std::string_view pattern) {
  std::vector<int64_t> shape;
  int64_t factor = 1;
  for (const char c : pattern.substr(0, pattern.find('|'))) {
    if (c >= '2' && c <= '9') {
      factor = c - '0';
      continue;
    }
    shape.push_back(c == '_' ? 1 : factor * kLengths[kLetters.find(c)]);
    factor = 1;
  }
  return shape;
}

std::string name_of(const PartRow& row, const std::string& prefix, int layer) {
  std::string name = row.name;
  for (const auto& [mark, number] : {std::pair("{}", layer), {"{odd}", 1}})
    if (const size_t at = name.find(mark); at != std::string::npos)
      name.replace(at, std::string_view(mark).size(), std::to_string(number));
  return name[0] == '/' ? name.substr(1) : prefix + name;
}

// A source of one block of the family, with what tells it from others of the same names, and
// `layers` layers.
Shapes block_of(const FamilyTable& table, const std::string& prefix, int layers = 2) {
  Shapes shapes;
  const auto put = [&](std::span<const PartRow> rows, int layer) {
    for (const PartRow& row : rows)
      if (row.need != Need::absent) shapes[name_of(row, prefix, layer)] = shape_of(row.shape);
  };
  put(table.parts, 0);
  for (const StepTable& step : table.steps)
    for (int layer = 0; layer < (step.layers == Layers::none ? 1 : layers); ++layer)
      put(step.parts, layer);
  for (const std::string_view name : table.evidence.names)
    if (!name.starts_with('!')) shapes["model." + std::string(name)] = {1};
  return shapes;
}

std::vector<FoundBlock> blocks_of(const Shapes& shapes) { return find_blocks(Memory(shapes)); }

TEST_CASE("families are listed by name, and say what they are", "[families]") {
  std::string last;
  for (const FamilyInfo& info : families()) {
    CAPTURE(info.name);
    CHECK(last < info.name);
    CHECK(std::string_view(info.name).find_first_not_of("abcdefghijklmnopqrstuvwxyz0123456789_") ==
          std::string_view::npos);
    CHECK(!std::string_view(info.models).empty());
    CHECK(!std::string_view(info.block).empty());
    last = info.name;
  }
}

TEST_CASE("a table's rows are what the loader reads", "[families]") {
  for (const FamilyTable& table : tables()) {
    CAPTURE(table.info.name);
    const auto check = [](std::span<const PartRow> rows) {
      std::set<std::string_view> names;
      std::set<Part> parts;
      for (const PartRow& row : rows) {
        CAPTURE(row.name);
        CHECK(names.insert(row.name).second);
        CHECK(parts.insert(row.part).second);
        CHECK(std::string_view(row.shape).find_first_not_of("QKHVDCFNIP_|23") ==
              std::string_view::npos);
      }
    };
    check(table.parts);
    for (const StepTable& step : table.steps) check(step.parts);
    CHECK(anchor(table).need == Need::required);
    // The example is the tensor whose presence marks a block.
    const std::string mark = name_of(anchor(table), "", 0);
    CHECK(std::string(table.info.example).ends_with(mark));
  }
}

TEST_CASE("each family's names make its block and no other", "[families]") {
  for (const FamilyTable& table : tables()) {
    CAPTURE(table.info.name);
    const std::string example = table.info.example;
    const std::string prefix =
        example.substr(0, example.size() - name_of(anchor(table), "", 0).size());
    const auto blocks = blocks_of(block_of(table, prefix));
    REQUIRE(blocks.size() == 1);
    CHECK(blocks[0].family == table.info.name);
    CHECK(blocks[0].prefix == prefix);
    CHECK(blocks[0].missing.empty());
    CHECK(blocks[0].wrong.empty());
  }
}

TEST_CASE("each tensor that a family needs is missed, and each wrong shape is seen", "[families]") {
  for (const FamilyTable& table : tables()) {
    CAPTURE(table.info.name);
    const Shapes whole = block_of(table, "a.");
    const Memory memory(whole);
    const Names names(memory);
    REQUIRE(resolve(names, table, "a.").missing.empty());
    for (const auto& [name, shape] : whole) {
      if (name.starts_with("model.")) continue;  // evidence
      CAPTURE(name);
      Shapes less = whole, other = whole;
      less.erase(name);
      other[name].push_back(4);
      const Memory less_memory(less), other_memory(other);
      const Found without = resolve(Names(less_memory), table, "a.");
      const Found wrong = resolve(Names(other_memory), table, "a.");
      const bool optional =
          std::ranges::any_of(table.parts,
                              [&](const PartRow& row) {
                                return row.need == Need::optional && name_of(row, "a.", 0) == name;
                              }) ||
          std::ranges::any_of(table.steps, [&](const StepTable& step) {
            return std::ranges::any_of(step.parts, [&](const PartRow& row) {
              return row.need == Need::optional && name_of(row, "a.", 0) == name;
            });
          });
      CHECK(without.missing == (optional ? std::vector<std::string>{} : std::vector{name}));
      REQUIRE(!wrong.wrong.empty());
      CHECK(std::ranges::any_of(wrong.wrong, [&](const std::string& said) {
        return said.starts_with(name + ": shape [");
      }));
    }
  }
}

TEST_CASE("a wrong shape is named with the one expected", "[families]") {
  const FamilyTable& whisper = *find_table("whisper");
  Shapes shapes = block_of(whisper, "m.");
  shapes["m.encoder_attn.out_proj.weight"] = {8, 11};
  shapes["m.encoder_attn.v_proj.bias"] = {13};
  shapes.erase("m.encoder_attn_layer_norm.bias");
  const auto blocks = blocks_of(shapes);
  REQUIRE(blocks.size() == 1);
  CHECK(blocks[0].family == "whisper");
  CHECK(blocks[0].missing == std::vector<std::string>{"m.encoder_attn_layer_norm.bias"});
  CHECK(blocks[0].wrong == std::vector<std::string>{
                               "m.encoder_attn.v_proj.bias: shape [13], expected [12]",
                               "m.encoder_attn.out_proj.weight: shape [8, 11], expected [8, 12]"});
}

TEST_CASE("shapes are patterns of letters", "[families]") {
  Letters letters;
  CHECK(letters.expected("2QD|_") == "[2 Q, D] or [1]");
  CHECK_FALSE(letters.fit("2QD", {7, 3}));
  CHECK_FALSE(letters.fit("2QD", {8, 0}));
  CHECK_FALSE(letters.fit("2QD", {8}));
  CHECK(letters['Q'] == 0);  // what did not fit says nothing
  CHECK(letters.fit("2QD", {8, 3}));
  CHECK(letters['Q'] == 4);
  CHECK(letters.fit("Q", {4}));
  CHECK_FALSE(letters.fit("Q", {5}));
  CHECK_FALSE(letters.fit("DD", {3, 4}));
  CHECK(letters.fit("_|__D", {1}));
  CHECK(letters.fit("_|__D", {1, 1, 3}));
  CHECK_FALSE(letters.fit("_|__D", {1, 1, 4}));
  CHECK(letters.fit("|_", {}));
  CHECK(letters.expected("|_") == "[] or [1]");
  CHECK(letters.expected("3QC") == "[12, C]");
}

TEST_CASE("heads come from options, shapes, or the published models", "[families]") {
  const auto counts = [](const char* family, const FamilyOptions& options) {
    const FamilyTable& table = *find_table(family);
    const Memory memory(block_of(table, "a."));
    return head_counts(resolve(Names(memory), table, "a."), options);
  };
  CHECK(counts("llama_3_2_vision", {}).heads == 6);     // Q / H
  CHECK(counts("llama_3_2_vision", {}).kv_heads == 3);  // K / H
  CHECK(counts("coca", {}).heads == 6);
  CHECK(counts("coca", {}).kv_heads == 1);
  CHECK(counts("stable_diffusion", {}).heads == 8);
  CHECK(counts("bart", {}).heads == 0);  // 64 does not divide 12
  CHECK(counts("bart", {.heads = 3}).kv_heads == 3);
  CHECK(counts("bart", {.heads = 4, .kv_heads = 2}).kv_heads == 2);
}

TEST_CASE("families that share names are told apart by what else there is", "[families]") {
  const auto families_of = [](const Shapes& shapes) {
    std::vector<std::string> out;
    for (const FoundBlock& block : blocks_of(shapes)) out.push_back(block.family);
    return out;
  };
  const auto block = [](const char* family) {
    return block_of(*find_table(family), "decoder.layers.0.");
  };
  using Families = std::vector<std::string>;
  CHECK(families_of(block("bart")) == Families{"bart"});
  CHECK(families_of(block("marian")) == Families{"marian"});
  CHECK(families_of(block("mbart")) == Families{"mbart"});
  CHECK(families_of(block("detr")) == Families{"detr"});
  // A context of 768 is Stable Diffusion 1, one of 1024 is 2; one of 10 fits both, and 1 lacks XL's
  // embedding.
  Shapes diffusion = block("stable_diffusion");
  CHECK(families_of(diffusion) == Families{"stable_diffusion"});
  for (const char* name : {"to_k", "to_v"})
    diffusion["decoder.layers.0.attn2." + std::string(name) + ".weight"] = {12, 1024};
  CHECK(families_of(diffusion) == Families{"stable_diffusion_xl"});
  // Nothing tells these apart.
  Shapes both = block("bart");
  both["model.query_position_embeddings.weight"] = {5, 8};
  for (const char* name : {"k_proj", "v_proj"})
    both["decoder.layers.0.encoder_attn." + std::string(name) + ".weight"] = {12, 8};
  CHECK(families_of(both) == Families{"bart", "detr"});
}

TEST_CASE("a block's tensors are found at any prefix, layers in order of their numbers",
          "[families]") {
  Shapes shapes;
  for (const char* prefix : {"layers.10.", "layers.9.", ""})
    shapes.merge(block_of(*find_table("t5"), prefix));
  shapes["layers.3.notEncDecAttention.q.weight"] = {12, 8};  // another name that ends alike
  std::vector<std::string> prefixes;
  for (const FoundBlock& block : blocks_of(shapes)) prefixes.push_back(block.prefix);
  CHECK(prefixes == std::vector<std::string>{"", "layers.9.", "layers.10."});
  CHECK(natural_less("a2", "a10"));
  CHECK_FALSE(natural_less("a10", "a2"));
  CHECK(natural_less("a.1", "a.1b"));
  CHECK_FALSE(natural_less("a.01", "a.1"));
}

TEST_CASE("layers are counted by what is there", "[families]") {
  const FamilyTable& sam = *find_table("sam_two_way");
  for (const int layers : {1, 2, 3}) {
    const Memory memory(block_of(sam, "t.", layers));
    const Found found = resolve(Names(memory), sam, "t.");
    CHECK(found.missing.empty());
    REQUIRE(found.steps.size() == static_cast<size_t>(3 * layers + 1));
    CHECK_FALSE(found.steps[0].table->residual);  // the first layer's tokens are replaced
    if (layers > 1) CHECK(found.steps[3].table->residual);
  }
  // A layer of which anything is there is not passed over.
  Shapes shapes = block_of(sam, "t.", 1);
  shapes["t.layers.1.layer_norm2.weight"] = {8};
  const Memory memory(shapes);
  CHECK(resolve(Names(memory), sam, "t.").missing.size() == 35);
}

TEST_CASE("IP-Adapter's numbers are those of the UNet's modules", "[families]") {
  const FamilyTable& table = *find_table("ip_adapter");
  Shapes shapes;
  for (const char* prefix : {"down_blocks.2.", "down_blocks.10.", "mid_block.", "up_blocks.1."})
    shapes.merge(block_of(table, prefix));
  for (const char* number : {"3", "5", "7"})
    for (const char* kind : {"k", "v"})
      shapes["ip_adapter." + std::string(number) + ".to_" + kind + "_ip.weight"] = {12, 7};
  const Memory memory(shapes);
  const Names names(memory);
  const auto key_of = [&](const char* prefix) {
    const Found found = resolve(names, table, prefix);
    REQUIRE(found.missing.empty());
    const auto& parts = found.steps.at(0).parts;
    return std::ranges::find(parts, Part::source_key_weight, &FoundPart::part)->name;
  };
  CHECK(key_of("down_blocks.2.") == "ip_adapter.1.to_k_ip.weight");
  CHECK(key_of("down_blocks.10.") == "ip_adapter.3.to_k_ip.weight");
  CHECK(key_of("up_blocks.1.") == "ip_adapter.5.to_k_ip.weight");
  CHECK(key_of("mid_block.") == "ip_adapter.7.to_k_ip.weight");
}

TEST_CASE("LXMERT's directions share their weights, the second one swapped", "[families]") {
  const FamilyTable& table = *find_table("lxmert");
  const Memory memory(block_of(table, "x."));
  const Found found = resolve(Names(memory), table, "x.");
  REQUIRE(found.steps.size() == 2);
  CHECK(found.steps[1].shares_weights);
  CHECK(found.steps[1].table->swapped);
  CHECK(found.steps[1].table->together);
  CHECK(found.tensors == 10);
}

}  // namespace
}  // namespace weft::family
