// Attention weights at every stage: every weights line of ops.txt and weights.txt, with and without
// 16-bit storage, against the reference.
#include "device/weights_run.hpp"

using namespace weft;
using namespace weft::test;

namespace {

void run_all(const char* file) {
  int count = 0;
  for (const cases::Case& any : cases_of(file)) {
    const auto* c = std::get_if<cases::WeightsCase>(&any);
    if (!c) continue;
    ++count;
    for (const bool without_16bit : {false, true}) {
      INFO((without_16bit ? "without" : "with") << " 16-bit storage");
      check_weights(device({.without_16bit = without_16bit}), *c);
    }
  }
  CHECK(count > 0);
}

}  // namespace

TEST_CASE("attention weights: every line of ops.txt") { run_all("ops.txt"); }
TEST_CASE("attention weights: every line of weights.txt") { run_all("weights.txt"); }
TEST_CASE("one case of the command line", "[.][one]") { run_all(""); }
