// Keys and values prepared for many calls: the same results from what was copied, nothing done
// where a copy gains nothing, and what is refused. And how large the copies may be that a row makes
// for itself.
#include <algorithm>
#include <string_view>

#include "base/checks.hpp"
#include "device/attention_run.hpp"

using namespace weft;
using namespace weft::test;

namespace {

constexpr const char* kFewRows = "attention_split_cpu";
constexpr const char* kManyRows = "attention_lane_floor";
constexpr const char* kConverts = "attention_lane_cpu_unpacked";

AttentionCall call_of(const Device& on, const char* line) {
  const auto problem = std::get<cases::AttentionCase>(must(cases::parse(line)));
  return must(cases::make_call(on, problem, cases::make_problem(problem)));
}

bool has_row(const char* row, const char* line) {
  const auto problem = std::get<cases::AttentionCase>(must(cases::parse(line)));
  for (const decide::AttentionRow& known : decide::attention_rows())
    if (std::string_view(known.name) == row) return can_run(known, problem);
  return false;
}

std::vector<std::byte> result_of(const Device& on, const AttentionCall& call) {
  Recorder recorder(on);
  must(attention(recorder, call));
  return must(run_twice(on, recorder, {call.output})).first[0];
}

PreparedKeyValue prepare(const Device& on, const AttentionCall& call, uint32_t& operations) {
  Recorder recorder(on);
  PreparedKeyValue prepared = must(prepare_key_value(recorder, must(describe(call)), call.key, call.value));
  const Program program = must(recorder.finish());
  operations = program.stats().operations;
  must(must(program.run()).wait());
  return prepared;
}

// Runs a call, prepares its keys and values, which copies both, and runs it with these, for the same bits. Gives the
// call that has them.
AttentionCall check_prepared(const Device& on, AttentionCall call) {
  const auto plain = result_of(on, call);
  uint32_t operations = 0;
  const PreparedKeyValue prepared = prepare(on, call, operations);
  CHECK(prepared.copied);
  CHECK(operations == 2);
  CHECK(prepared.key.shape == call.key.shape);
  CHECK(prepared.value.shape == call.value.shape);
  call.key = prepared.key;
  call.value = prepared.value;
  CHECK(result_of(on, call) == plain);
  CHECK(result_of(on, call) == plain);
  const PreparedKeyValue again = prepare(on, call, operations);
  CHECK_FALSE(again.copied);
  CHECK(operations == 0);
  return call;
}

// Heads of 2048 keys whose fp32 copies of key and value take 1 MiB together; heads share all but
// four elements.
AttentionCall call_of_heads(const Device& on, int64_t heads) {
  Tensor rows = must(on.tensor(DType::f16, {2048 * 64 + 4 * heads}));
  rows.shape = {1, heads, 2048, 64};
  rows.strides = {0, 4, 64, 1};
  AttentionCall call{.key = rows, .value = rows};
  call.query = must(on.tensor(DType::f16, {1, 1, 64, 64}));
  call.output = must(on.tensor(DType::f16, {1, heads, 64, 64}));
  return call;
}

bool unpacks(const Attention& plan) {
  return std::ranges::any_of(decide::attention_rows(), [&](const decide::AttentionRow& row) {
    return row.unpack && row.name == std::string_view(plan.kernel());
  });
}

}  // namespace

TEST_CASE("rows that copy keys and values leave calls to others whose copies would be too large") {
  const Device& on = device();
  for (const int64_t heads : {2, 257}) {
    CAPTURE(heads);
    const AttentionCall call = call_of_heads(on, heads);
    const Attention plan = must(Attention::plan(on, must(describe(call))));
    Recorder by_plan(on), by_call(on);
    must(plan.record(by_plan, call));
    must(attention(by_call, call));
    for (Recorder* recorder : {&by_plan, &by_call}) {
      const ProgramStats stats = must(recorder->finish()).stats();
      const bool copies = unpacks(plan) && heads == 2;
      CHECK((stats.operations == 3) == copies);  // else one, or the parts of a row that splits keys
      CHECK((stats.transient_bytes == 2u << 20) == copies);
    }
  }
}

TEST_CASE("prepare: calls give the same bits from prepared keys and values, as often as wanted") {
  for (const char* line : {"b2 h4 kv2 q1 k300 d24 dv12 f32 layout=blhd", "b3 h2 q2 k77 d20 f16 layout=blhd bcast_kv",
                           "b1 h3 q1 k9 d6 bf16 layout=odd"}) {
    INFO(line);
    if (!has_row(kFewRows, line)) continue;
    const Device& on = device({.kernel = kFewRows});
    const AttentionCall call = call_of(on, line);
    const Tensor key = check_prepared(on, call).key;
    CHECK(key.strides[2] == call.key.shape[3]);
    CHECK((checks::stride_elements(key, 0) == 0) == (checks::stride_elements(call.key, 0) == 0));
  }
}

TEST_CASE("prepare: what a row converts for each call is converted once") {
  for (const char* line : {"b2 h4 kv2 q70 k300 d24 dv12 f16 layout=blhd", "b2 h2 q65 k77 d20 bf16 bcast_kv",
                           "b1 h2 q65 k9 d7 f16 layout=odd"}) {
    INFO(line);
    if (!has_row(kConverts, line)) continue;
    const Device& on = device({.kernel = kConverts});
    const AttentionCall call = check_prepared(on, call_of(on, line));
    CHECK(call.key.dtype == DType::f32);
    CHECK(call.value.dtype == DType::f32);
    Recorder recorder(on);
    must(attention(recorder, call));
    CHECK(must(recorder.finish()).stats().operations == 1);
  }
}

TEST_CASE("prepare: a row that reads the tensors as fast takes them as they are") {
  const Device& on = device({.kernel = kManyRows});
  const AttentionCall call = call_of(on, "b2 h4 q1 k30 d24 f32 layout=blhd");
  uint32_t operations = 1;
  const PreparedKeyValue prepared = prepare(on, call, operations);
  CHECK_FALSE(prepared.copied);
  CHECK(operations == 0);
  CHECK(prepared.key.buffer.state() == call.key.buffer.state());
  CHECK(prepared.value.strides == call.value.strides);
}

TEST_CASE("prepare: other devices, types and sizes are refused") {
  const Device& on = device({.kernel = kManyRows});
  const AttentionCall call = call_of(on, "b1 h2 q1 k30 d24 f32");
  const AttentionDesc desc = must(describe(call));
  const auto refuses = [&](const Device& by, const AttentionDesc& wanted, const Tensor& key, const char* why) {
    Recorder recorder(by);
    const auto refused = prepare_key_value(recorder, wanted, key, call.value);
    REQUIRE_FALSE(refused);
    CHECK(refused.error().code == Code::invalid_argument);
    INFO(refused.error().message);
    CHECK(refused.error().message.find(why) != std::string::npos);
  };
  refuses(device({.without_direct_access = true}), desc, call.key, "another device");
  AttentionDesc other = desc;
  other.head_dim = 20;
  refuses(on, other, call.key, "the description says 20");
  other = desc;
  other.kv_dtype = DType::f16;
  refuses(on, other, call.key, "dtype");
  refuses(on, desc, must(call.key.slice(2, 0, 29)), "shape[2]");
  refuses(on, desc, {}, "key");
}

TEST_CASE("prepare: a call of another device refuses what was prepared") {
  const Device& on = device({.kernel = kManyRows});
  AttentionCall call = call_of(on, "b1 h2 q1 k30 d24 f32");
  uint32_t operations = 0;
  const PreparedKeyValue prepared = prepare(on, call, operations);
  const Device& other = device({.without_direct_access = true});
  call = call_of(other, "b1 h2 q1 k30 d24 f32");
  call.key = prepared.key;
  call.value = prepared.value;
  Recorder recorder(other);
  const auto refused = attention(recorder, call);
  REQUIRE_FALSE(refused);
  CHECK(refused.error().code == Code::invalid_argument);
}
