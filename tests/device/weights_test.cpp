// Attention weights at every stage: every weights line of ops.txt and weights.txt, with and without
// 16-bit storage, against the reference.
#include "device/weights_run.hpp"

using namespace weft;
using namespace weft::test;

TEST_CASE("attention weights: every line of ops.txt") { check_lines("ops.txt", check_weights); }
TEST_CASE("attention weights: every line of weights.txt") { check_lines("weights.txt", check_weights); }
TEST_CASE("one case of the command line", "[.][one]") { check_lines("", check_weights); }
