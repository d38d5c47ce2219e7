// What a file of results says of the run that it is from.
#include "results.hpp"

#include <catch2/catch_test_macros.hpp>
#include <string>

#include "variables.hpp"

namespace weft::bench {
namespace {

using nlohmann::ordered_json;

}  // namespace

TEST_CASE("whether Weft kept a cache is recorded, and not where") {
  set_variable("WEFT_CACHE_DIR", "/somewhere/cache");
  CHECK(to_json(Results{})["environment"]["WEFT_CACHE_DIR"] == "set");
  set_variable("WEFT_CACHE_DIR", "");
  CHECK(to_json(Results{})["environment"]["WEFT_CACHE_DIR"] == "unset");
}

}  // namespace weft::bench
