// Wrong arguments of everything that needs no device: views of tensors, descriptions of attentions,
// files.
#include <catch2/catch_test_macros.hpp>
#include <cstdio>

#include "bad_input/attention_rows.hpp"
#include "bad_input/host_tables.hpp"
#include "unit/fake_tensor.hpp"

namespace weft::test {

size_t check_describe() {
  const Maker maker{.tensor = fake_tensor};
  const auto make = [](const AttentionCall& call) { return outcome(describe(call)); };
  REQUIRE(make(full_attention(maker)).has_value());
  REQUIRE(make(packed_attention(maker)).has_value());
  return check_rows("describe", attention_rows(maker, make));
}

}  // namespace weft::test

TEST_CASE("wrong calls that need no device are refused with a reason") {
  size_t rows = 0;
  rows += weft::test::check_describe();
  rows += weft::test::check_tensor();
  rows += weft::test::check_elements();
  rows += weft::test::check_safetensors();
  rows += weft::test::check_checkpoint();
  rows += weft::test::check_npy();
  rows += weft::test::check_images();
  std::printf("%zu rows\n", rows);
  REQUIRE(rows >= 300);
}
