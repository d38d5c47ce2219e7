// Alignments of prompts, worked out by hand.
#include <catch2/catch_test_macros.hpp>

#include "weft/attention_edit.hpp"

namespace weft {
namespace {

using Matrix = std::vector<float>;

std::string refusal(const Result<PromptAlignment>& result) {
  return result ? "none" : result.error().message;
}

}  // namespace

TEST_CASE("replace: words of as many tokens map one to one, padding too") {
  const auto found = replace_alignment({{1}, {5}, {6, 7}, {2}}, {{1}, {8}, {6, 7}, {2}}, 7);
  REQUIRE(found);
  Matrix expected(49, 0.0f);
  for (size_t i = 0; i < 7; ++i) expected[i * 8] = 1.0f;
  CHECK(found->matrix == expected);
  CHECK(found->alpha.empty());
}

TEST_CASE("replace: a word of one token shares its weight among two") {
  // begin cat runs end -> begin ti ger runs end
  const auto found = replace_alignment({{1}, {5}, {6}, {2}}, {{1}, {8, 9}, {6}, {2}}, 6);
  REQUIRE(found);
  CHECK(found->matrix == Matrix{1, 0, 0,    0, 0, 0,   //
                                0, 0.5f, 0.5f, 0, 0, 0,  //
                                0, 0, 0,    1, 0, 0,   //
                                0, 0, 0,    0, 1, 0,   //
                                0, 0, 0,    0, 0, 1,   //
                                0, 0, 0,    0, 0, 0});
}

TEST_CASE("replace: three tokens give all their weight to one") {
  const auto found = replace_alignment({{1}, {5, 6, 7}, {2}}, {{1}, {8}, {2}}, 5);
  REQUIRE(found);
  CHECK(found->matrix == Matrix{1, 0, 0, 0, 0,  //
                                0, 1, 0, 0, 0,  //
                                0, 1, 0, 0, 0,  //
                                0, 1, 0, 0, 0,  //
                                0, 0, 1, 0, 0});
}

TEST_CASE("refine: new tokens keep their own weights") {
  // begin a cat end -> begin a red cat end
  const auto found = refine_alignment({1, 4, 5, 2}, {1, 4, 9, 5, 2}, 6);
  REQUIRE(found);
  CHECK(found->alpha == std::vector<float>{1, 1, 0, 1, 1, 1});
  CHECK(found->matrix == Matrix{1, 0, 0, 0, 0, 0,  //
                                0, 1, 0, 0, 0, 0,  //
                                0, 0, 0, 1, 0, 0,  //
                                0, 0, 0, 0, 1, 0,  //
                                0, 0, 0, 0, 0, 0,  //
                                0, 0, 0, 0, 0, 1});
}

TEST_CASE("refine: a changed token is a dropped one and a new one, since a mismatch costs more than two gaps") {
  const auto found = refine_alignment({1, 5, 2}, {1, 6, 2}, 3);
  REQUIRE(found);
  CHECK(found->alpha == std::vector<float>{1, 0, 1});
  CHECK(found->matrix == Matrix{1, 0, 0, 0, 0, 0, 0, 0, 1});
}

TEST_CASE("refine: of two equal alignments the published tie-break is taken") {
  // One 5 of the base, two in the edited prompt: scores tie, and from the end a new token goes first.
  const auto found = refine_alignment({1, 5, 2}, {1, 5, 5, 2}, 4);
  REQUIRE(found);
  CHECK(found->alpha == std::vector<float>{1, 1, 0, 1});
  // A dropped repeat: from the end the base's last 5 is dropped.
  const auto shorter = refine_alignment({1, 5, 5, 2}, {1, 5, 2}, 4);
  REQUIRE(shorter);
  CHECK(shorter->matrix == Matrix{1, 0, 0, 0,  //
                                  0, 1, 0, 0,  //
                                  0, 0, 0, 0,  //
                                  0, 0, 1, 1});
}

TEST_CASE("alignments refuse prompts that can't be aligned") {
  CHECK(refusal(replace_alignment({{1}, {2}}, {{1}}, 4)) == "replace_alignment: base has 2 words, edited has 1; they must match");
  CHECK(refusal(replace_alignment({{1}, {}}, {{1}, {2}}, 4)) == "replace_alignment: word 1 of base has no token");
  CHECK(refusal(replace_alignment({{1}}, {{1, 2, 3}}, 2)) ==
        "replace_alignment: edited has 3 tokens; it must have 1 to kv_len, which is 2");
  CHECK(refusal(refine_alignment({}, {1}, 4)) == "refine_alignment: base has 0 tokens; it must have 1 to kv_len, which is 4");
  CHECK(refusal(refine_alignment({1}, {1, 2}, 1)) == "refine_alignment: edited has 2 tokens; it must have 1 to kv_len, which is 1");
}

}  // namespace weft
