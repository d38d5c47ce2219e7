// Self-tests: a row that computes wrongly is seen, said and passed over; what was found out outlives
// the process; and the real ones pass.
#include <algorithm>
#include <filesystem>
#include <thread>

#include "attention/self_test.hpp"
#include "device/fixture.hpp"
#include "ops/linear.hpp"
#include "unit/scratch_file.hpp"
#include "vulkan/device_state.hpp"

using namespace weft;
using namespace weft::test;

namespace {

using decide::AttentionRow;
using decide::Findings;
using decide::LinearRow;
using Rows = std::vector<AttentionRow>;

const AttentionDesc kDesc{.head_dim = 16, .value_dim = 16};

template <class Row>
Row row_like(std::span<const Row> rows, std::string_view name, const char* new_name) {
  Row row = *std::ranges::find_if(rows, [&](const Row& one) { return one.name == name; });
  row.name = new_name;
  row.self_test = true;
  return row;
}

// Without features it has one problem to solve of three: some drivers take seconds to compile each.
AttentionRow right_row() {
  AttentionRow row = row_like(decide::attention_rows(), "attention_lane_floor", "attention_right");
  row.features = 0;
  return row;
}
// Leaves every second block of rows unwritten: the grid counts with twice the rows that a workgroup does.
AttentionRow wrong_row() {
  AttentionRow row = right_row();
  row.name = "attention_wrong";
  row.block_q = 2 * decide::block_q(row);
  return row;
}

struct Opened {
  ScratchDirectory own;  // whatever the environment says, nothing is known at first
  std::string messages;
  Device device;
  explicit Opened(DeviceOptions options) : device(open(options)) {}
  ~Opened() {
    INFO(messages);
    CHECK(device.validation_messages() == 0);
  }

  Device open(DeviceOptions& options) {
    if (options.cache_dir.empty()) options.cache_dir = own.file("");
    options.validation = true;
    options.log = [this](LogLevel, std::string_view text) { (messages += text) += '\n'; };
    return must(Device::open(options));
  }
  uint64_t submissions() const { return device.state()->submitted; }
  std::string note(const char* name) const { return vulkan::note(*device.state(), name); }
  Findings find_out(const Rows& rows) const {
    return must(attention_detail::find_out(device, kDesc, rows));
  }
  std::vector<decide::Verdict> judge(const Rows& rows) const {
    return decide::judge_attention(device.traits(), decide::problem_of(kDesc),
                                   vulkan::overrides(*device.state()), rows, find_out(rows));
  }
};

DeviceOptions in_folder(const ScratchDirectory& folder, std::string self_test = "on") {
  DeviceOptions options;
  options.cache_dir = folder.file("");
  options.self_test = std::move(self_test);
  return options;
}

// Whether the device lists matrices that a row of this build is made of.
bool lists_a_shape_of(const DeviceTraits& traits, const auto& rows) {
  return std::ranges::any_of(rows, [&](const auto& row) {
    const MatrixElement input =
        row.inputs == decide::Inputs::bf16 ? MatrixElement::bf16 : MatrixElement::f16;
    const MatrixShape shape{row.matrix.m, row.matrix.n, row.matrix.k, input, MatrixElement::f32};
    return row.matrix.m != 0 && !decide::not_compiled(row.shader) &&
           std::ranges::find(traits.matrix_shapes, shape) != traits.matrix_shapes.end();
  });
}

std::string notes_file(const Opened& opened) { return vulkan::notes_file(*opened.device.state()); }

}  // namespace

TEST_CASE("a row that computes wrongly is vetoed with the worst element, and the next one runs") {
  const ScratchDirectory folder;
  const Rows rows{wrong_row(), right_row(), decide::attention_rows().back()};
  std::string why;
  {
    const Opened opened(in_folder(folder));
    const auto verdicts = opened.judge(rows);
    why = verdicts[0].text;
    INFO(why);
    CHECK(why.starts_with("its self-test failed: q_len "));
    CHECK(why.contains("output[0, "));
    CHECK(why.contains("] is NaN or not written, it should be "));
    CHECK(verdicts[1].text == "chosen");
    CHECK(opened.messages == "attention_wrong: " + why + "\n");
    CHECK(opened.note("self_test attention_right") == "passed");
    CHECK(opened.note("self_test attention_lane_floor") == "");  // it never had to
    const uint64_t before = opened.submissions();
    CHECK(opened.find_out(rows).vetoes.size() == 1);
    CHECK(opened.submissions() == before);
  }
  const Opened again(in_folder(folder));  // as another process would
  CHECK(again.judge(rows)[0].text == why);
  CHECK(again.submissions() == 0);
  CHECK(again.messages == "");
}

TEST_CASE("a forced row that fails its self-test is unsupported, with the reason") {
  DeviceOptions options;
  options.kernel = "attention_wrong";
  options.self_test = "on";
  const Opened opened(options);
  const Rows rows{wrong_row(), right_row()};
  const Findings findings = opened.find_out(rows);
  const auto row = decide::select_attention(opened.device.traits(), decide::problem_of(kDesc),
                                            vulkan::overrides(*opened.device.state()), rows, findings);
  REQUIRE_FALSE(row);
  CHECK(row.error().code == Code::unsupported);
  CHECK(row.error().message.contains("attention_wrong: its self-test failed: q_len "));
  CHECK_FALSE(row.error().message.contains("attention_right"));
}

TEST_CASE("self-tests can be switched off, which leaves their rows out, or trusted unseen") {
  const Rows rows{wrong_row(), decide::attention_rows().back()};
  DeviceOptions options;
  options.self_test = "off";
  const Opened off(options);
  CHECK(off.judge(rows)[0].text == "chosen only after its self-test, which is switched off");
  CHECK(off.judge(rows)[1].text == "chosen");
  CHECK(off.submissions() == 0);
  options.self_test = "trust";
  const Opened trusting(options);
  CHECK(trusting.judge(rows)[0].text == "chosen");
  CHECK(trusting.submissions() == 0);
  options.self_test = "of";
  const auto wrong = Device::open(options);
  REQUIRE_FALSE(wrong);
  CHECK(wrong.error().code == Code::invalid_argument);
  CHECK(wrong.error().message == "device: self_test is \"of\"; it must be on, off or trust");
}

TEST_CASE("a damaged file of findings is a line in the log, and they are found out anew") {
  const ScratchDirectory folder;
  const Rows rows{wrong_row(), right_row()};
  std::string path;
  {
    const Opened opened(in_folder(folder));
    (void)opened.find_out(rows);
    path = notes_file(opened);
  }
  const Bytes good = read_bytes(path);
  Bytes changed = good, shorter = good;
  changed[changed.size() / 2] ^= std::byte{1};
  shorter.pop_back();
  for (const Bytes& bad : {changed, shorter, Bytes{}, bytes_of("weft notes 2"), Bytes(2u << 20)}) {
    write_bytes(path, bad);
    const Opened opened(in_folder(folder));
    CHECK(opened.messages == "notes: ignored " + path + ": it is damaged or another library's\n");
    CHECK(opened.note("self_test attention_right") == "");
    (void)opened.find_out({right_row()});
    CHECK(opened.note("self_test attention_right") == "passed");
  }
  std::string older(reinterpret_cast<const char*>(good.data()), good.size());
  older.replace(older.find("0."), 2, "9.");  // another version's
  write_bytes(path, bytes_of(older));
  CHECK(Opened(in_folder(folder)).note("self_test attention_right") == "");
}

TEST_CASE("what other processes have found out meanwhile is kept") {
  const ScratchDirectory folder;
  const Opened one(in_folder(folder)), other(in_folder(folder));
  vulkan::keep_note(*one.device.state(), "a", "1");
  vulkan::keep_note(*other.device.state(), "b", "two\nlines");
  CHECK(one.note("b") == "");
  const Opened third(in_folder(folder));
  CHECK(third.note("a") == "1");
  CHECK(third.note("b") == "two lines");
}

TEST_CASE("a trial that never came back is tried once more, a minute later, and then no more") {
  const ScratchDirectory folder;
  const Opened opened(in_folder(folder));
  const AttentionRow row = right_row();
  const auto result = [&](const std::string& known) {
    vulkan::keep_note(*opened.device.state(), "self_test attention_right", known);
    return must(attention_detail::self_test(opened.device, row));
  };
  CHECK(result("begun again 1000").starts_with("its self-test was begun twice and never ended"));
  CHECK(result("begun again 1000").contains(notes_file(opened)));
  CHECK(result("begun 1000") == "");
  CHECK(opened.note("self_test attention_right") == "passed");
  CHECK(result("begun again 99999999999") == "");  // another process is at it
}

TEST_CASE("threads that plan at once find out the same") {
  DeviceOptions options;
  options.self_test = "on";
  const Opened opened(options);
  const Rows rows{wrong_row(), right_row()};
  std::vector<std::string> seen(3);
  std::vector<std::thread> threads;
  for (std::string& one : seen)
    threads.emplace_back([&] {
      const auto findings = attention_detail::find_out(opened.device, kDesc, rows);
      one = findings && findings->vetoes.size() == 1 ? findings->vetoes[0].why : "no veto";
    });
  for (std::thread& thread : threads) thread.join();
  CHECK(seen[0].starts_with("its self-test failed"));
  CHECK((seen[0] == seen[1] && seen[1] == seen[2]));
}

TEST_CASE("the rows that have to pass their self-test here do") {
  DeviceOptions options;
  options.self_test = "on";
  const Opened opened(options);
  Rows rows{row_like(decide::attention_rows(), "attention_lane_floor", "attention_right")};
  for (const AttentionRow& row : decide::attention_rows())
    if (row.self_test) rows.push_back(row);
  size_t matrix_rows = 0;
  for (const AttentionRow& row : rows) {
    const DType dtype = row.inputs == decide::Inputs::bf16 ? DType::bf16 : DType::f16;
    const AttentionDesc desc{.query_dtype = dtype, .kv_dtype = dtype, .head_dim = 64, .value_dim = 64, .kv_len = 16};
    if (!decide::why_not(opened.device.traits(), row, decide::problem_of(desc)).empty()) continue;
    INFO(row.name);
    CHECK(must(attention_detail::self_test(opened.device, row)) == "");
    matrix_rows += row.matrix.m != 0;
  }
  CHECK((matrix_rows > 0) == lists_a_shape_of(opened.device.traits(), rows));
}

TEST_CASE("linear rows are put to the same test") {
  DeviceOptions options;
  options.self_test = "on";
  const Opened opened(options);
  LinearRow right = row_like(decide::linear_rows(), "linear_floor", "linear_right");
  LinearRow wrong = right;  // leaves every second block of columns unwritten
  wrong.name = "linear_wrong";
  wrong.block_columns = 2 * decide::block_columns(right);
  const LinearRow rows[] = {wrong, right};
  const LinearRow* chosen = must(ops::choose(opened.device, {.rows = 9, .out_features = 9}, rows));
  CHECK(chosen->name == std::string("linear_right"));
  const std::string why = opened.note("self_test linear_wrong");
  INFO(why);
  CHECK(why.starts_with("its self-test failed: "));
  CHECK(why.contains(" is NaN or not written, it should be "));
  size_t matrix_rows = 0;
  for (const LinearRow& row : decide::linear_rows()) {
    const decide::LinearProblem problem{.rows = 9, .out_features = 9, .half = true, .inputs = row.inputs};
    LinearRow anywhere = row;  // preferences aside
    anywhere.where = decide::Where::any;
    anywhere.min_rows = anywhere.min_out_features = 0;
    const LinearRow one[] = {anywhere};
    const auto can = decide::select_linear(opened.device.traits(), problem, {.kernel = row.name}, one);
    if (!row.self_test || !can) continue;
    INFO(row.name << ": " << opened.note(("self_test " + std::string(row.name)).c_str()));
    CHECK(must(ops::choose(opened.device, problem, one))->name == row.name);
    matrix_rows += row.matrix.m != 0;
  }
  CHECK((matrix_rows > 0) == lists_a_shape_of(opened.device.traits(), decide::linear_rows()));
}
