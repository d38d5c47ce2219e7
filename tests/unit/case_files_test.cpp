// What the case files must hold.
#include <catch2/catch_test_macros.hpp>
#include <set>
#include <string>
#include <utility>

#include "reference/case_line.hpp"

using namespace weft;
using namespace weft::cases;

namespace {

struct Feature {
  const char* name;
  bool (*asked)(const AttentionCase&);
};

bool packs_query(const AttentionCase& c) { return c.packed == Packed::q || c.packed == Packed::qk; }
bool packs_keys(const AttentionCase& c) { return c.packed == Packed::k || c.packed == Packed::qk; }

constexpr Feature kFeatures[] = {
    {"keep", [](const AttentionCase& c) { return mask_kind(c.mask) == MaskKind::keep; }},
    {"drop", [](const AttentionCase& c) { return mask_kind(c.mask) == MaskKind::drop; }},
    {"bias", [](const AttentionCase& c) { return c.bias != Bias::none; }},
    {"short mask", [](const AttentionCase& c) { return c.mask_keys < c.kv_len; }},
    {"short bias", [](const AttentionCase& c) { return c.bias_keys < c.kv_len; }},
    {"softcap", [](const AttentionCase& c) { return c.softcap > 0.0f; }},
    {"causal", [](const AttentionCase& c) { return c.causal; }},
    {"window", [](const AttentionCase& c) { return c.window_left >= 0 || c.window_right >= 0; }},
    {"offset", [](const AttentionCase& c) { return c.offset != 0; }},
    {"offsets", [](const AttentionCase& c) { return c.offsets != Offsets::none; }},
    {"lengths", [](const AttentionCase& c) { return c.lengths != Lengths::none; }},
    {"packed query", packs_query},
    {"packed keys", packs_keys},
    {"regions", [](const AttentionCase& c) { return c.regions != Regions::none; }},
    {"sinks", [](const AttentionCase& c) { return c.sinks; }},
    {"null keys", [](const AttentionCase& c) { return c.null_len > 0; }},
    {"score items", [](const AttentionCase& c) { return c.score_items > 0; }},
    {"value items", [](const AttentionCase& c) { return c.value_items > 0; }},
    {"kv heads", [](const AttentionCase& c) { return c.kv_heads < c.heads; }},
    {"value_dim", [](const AttentionCase& c) { return c.value_dim != c.head_dim; }},
};

using Pair = std::pair<std::string, std::string>;

// Refused by the library, or two ends of one choice.
const std::set<Pair> kApart = {
    {"keep", "drop"},
    {"packed query", "score items"},
    {"packed query", "value items"},
    {"packed keys", "score items"},
    {"packed keys", "value items"},
};

}  // namespace

TEST_CASE("semantics.txt asks for every feature beside every other") {
  const auto all = read_file(WEFT_SOURCE_DIR "/tests/cases/semantics.txt");
  if (!all) FAIL(all.error().message);
  std::set<Pair> seen;
  for (const Case& any : *all)
    for (const Feature& first : kFeatures)
      for (const Feature& second : kFeatures)
        if (const auto& c = std::get<AttentionCase>(any); first.asked(c) && second.asked(c))
          seen.emplace(first.name, second.name);
  for (const Feature& first : kFeatures)
    for (const Feature& second : kFeatures)
      if (&first < &second && !kApart.contains({first.name, second.name})) {
        INFO(first.name << " beside " << second.name);
        CHECK(seen.contains({first.name, second.name}));
      }
}
