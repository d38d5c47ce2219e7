// The measured choice: which rows take part, what is kept, and that it is used.
#include <algorithm>
#include <catch2/generators/catch_generators.hpp>
#include <list>

#include "attention/plan.hpp"
#include "attention/tune.hpp"
#include "attention/validate.hpp"
#include "device/fixture.hpp"
#include "reference/calls.hpp"
#include "unit/scratch_file.hpp"
#include "vulkan/device_state.hpp"

using namespace weft;
using namespace weft::test;

namespace {

const AttentionDesc kDesc{.head_dim = 16, .value_dim = 16, .q_len = 20, .kv_len = 33};

// Where no folder is given, nothing is known at first, whatever the environment says.
Device open(DeviceOptions options = {}) {
  static std::list<ScratchDirectory> folders;
  if (options.cache_dir.empty()) options.cache_dir = folders.emplace_back().file("");
  options.validation = true;
  return must(Device::open(options));
}
DeviceOptions in_folder(const ScratchDirectory& folder) {
  DeviceOptions options;
  options.cache_dir = folder.file("");
  return options;
}

std::string kernel_of(const Device& device, const AttentionDesc& desc = kDesc) {
  return must(Attention::plan(device, desc)).kernel();
}

const TuneRow& entry(const TuneReport& report, std::string_view name) {
  return *std::ranges::find_if(report.rows, [&](const TuneRow& row) { return row.kernel == name; });
}

void keep_choice(const Device& device, const AttentionDesc& desc, const std::string& row) {
  std::string name;
  for (const auto& [key, text] : device.state()->notes)
    if (key.starts_with("fastest")) name = key;
  vulkan::keep_note(*device.state(), name, row);
  attention_detail::forget_plans(device, desc);
}

}  // namespace

TEST_CASE("the fastest of the rows that can run is kept and chosen from then on") {
  const ScratchDirectory folder;
  const std::string floor = "attention_lane_floor";
  {
    const Device device = open(in_folder(folder));
    const Attention before = must(Attention::plan(device, kDesc));
    const std::string first = before.kernel();
    const TuneReport report = must(tune(device, kDesc, {.max_seconds = 120, .batch = 1, .heads = 2}));
    CHECK((report.batch == 1 && report.heads == 2 && report.kv_heads == 2));
    REQUIRE(report.fastest != "");
    const TuneRow& fastest = entry(report, report.fastest);
    for (const TuneRow& row : report.rows) {
      INFO(row.kernel << ": " << row.median_ns << " ns of " << row.runs << ", " << row.why_not);
      CHECK((row.median_ns > 0) == row.why_not.empty());
      CHECK((row.runs > 0) == row.why_not.empty());
      if (row.runs > 0) CHECK(row.median_ns * 1.04 >= fastest.median_ns);
    }
    CHECK(fastest.runs > 1);
    CHECK(kernel_of(device) == report.fastest);
    CHECK(explain(device, kDesc).contains(report.fastest + ": chosen: measured to be the fastest\n"));
    CHECK(before.kernel() == first);  // planned before: still there

    keep_choice(device, kDesc, floor);
    CHECK(kernel_of(device) == floor);
    CHECK(explain(device, kDesc).contains(floor + ": chosen: measured to be the fastest\n"));
    CHECK(explain(device, kDesc).contains(first + ": measured to be slower\n"));
    AttentionDesc longer = kDesc;
    longer.kv_len = 35;  // of the same class
    CHECK(kernel_of(device, longer) == floor);
    AttentionDesc wider = kDesc;
    wider.head_dim = 20;
    CHECK(kernel_of(device, wider) == first);
  }
  CHECK(kernel_of(open(in_folder(folder))) == floor);  // as another process would
  DeviceOptions forcing = in_folder(folder);
  forcing.kernel = "attention_split_floor";  // on any device
  CHECK(kernel_of(open(forcing)) == "attention_split_floor");
  DeviceOptions without = in_folder(folder);
  without.disable = floor;
  CHECK(kernel_of(open(without)) != floor);
}

TEST_CASE("only rows that can run, are wanted and have passed their self-test take part") {
  DeviceOptions options;
  options.disable = "attention_lane_gpu";
  const Device device = open(options);
  std::vector<decide::AttentionRow> rows;
  for (const char* name : {"attention_lane_floor", "attention_lane_gpu", "attention_lane_cpu"})
    rows.push_back(*std::ranges::find_if(decide::attention_rows(),
                                         [&](const auto& row) { return row.name == std::string(name); }));
  decide::AttentionRow wrong = rows[0], narrow = rows[0];
  wrong.name = "attention_wrong";
  wrong.self_test = true;
  wrong.block_q = 2 * decide::block_q(wrong);
  narrow.name = "attention_narrow";
  narrow.max_head_dim = 8;
  rows.insert(rows.begin(), {wrong, narrow});
  const AttentionDesc desc = must(attention_detail::validate(kDesc));
  const TuneReport report = must(attention_detail::measure(device, desc, {.max_seconds = 120, .heads = 1}, rows));
  CHECK(entry(report, "attention_wrong").why_not.starts_with("its self-test failed"));
  CHECK(entry(report, "attention_narrow").why_not == "head_dim is 16, it takes up to 8");
  CHECK(entry(report, "attention_lane_gpu").why_not == "disabled by \"attention_lane_gpu\"");
  CHECK(entry(report, "attention_lane_floor").why_not == "");
  CHECK(report.fastest != "");
}

TEST_CASE("a measurement that runs out of time settles on the fastest of the rows it came to") {
  const double seconds = GENERATE(1e-9, 0.3, 1.5);
  CAPTURE(seconds);
  const ScratchDirectory folder;
  std::string settled;
  {
    const Device device = open(in_folder(folder));
    const std::string before = kernel_of(device);
    const TuneReport report = must(tune(device, kDesc, {.max_seconds = seconds, .heads = 2}));
    settled = report.fastest;
    REQUIRE(settled != "");
    CHECK(entry(report, before).runs > 0);
    CHECK(std::ranges::equal(report.rows, decide::attention_rows(), {}, &TuneRow::kernel,
                             &decide::AttentionRow::name));
    for (const TuneRow& row : report.rows) {
      INFO(row.kernel << ": " << row.median_ns << " ns of " << row.runs << ", " << row.why_not);
      CHECK((row.runs > 0) == row.why_not.empty());
      if (row.runs > 0) CHECK(row.median_ns * 1.04 >= entry(report, settled).median_ns);
    }
    if (seconds < 0.1) {
      CHECK(settled == before);
      CHECK(std::ranges::count(report.rows, "", &TuneRow::why_not) == 1);
      CHECK(std::ranges::count(report.rows, "the time was over", &TuneRow::why_not) > 0);
    }
    CHECK(kernel_of(device) == settled);
    CHECK(explain(device, kDesc).contains(settled + ": chosen: measured to be the fastest\n"));
  }
  DeviceOptions measuring = in_folder(folder);  // as another process would
  measuring.tune_seconds = 120;
  const Device again = open(measuring);
  CHECK(kernel_of(again) == settled);
  CHECK(again.state()->submitted == 0);
}

TEST_CASE("a choice made before is given up for rows measured beside it only") {
  const Device device = open();
  const std::string floor = "attention_lane_floor";
  (void)must(tune(device, kDesc, {.max_seconds = 1e-9, .heads = 1}));
  keep_choice(device, kDesc, floor);
  const TuneReport report = must(tune(device, kDesc, {.max_seconds = 1e-9, .heads = 1}));
  CHECK(entry(report, floor).runs == 1);
  CHECK(report.fastest == floor);
}

TEST_CASE("a device that is told to measures when it plans") {
  DeviceOptions options;
  options.tune_seconds = 120;
  options.disable = "attention_tile, attention_coopmat, attention_short, attention_split, attention_lane_cpu";
  const Device device = open(options);
  const std::string kernel = kernel_of(device);
  CHECK(explain(device, kDesc).contains(kernel + ": chosen: measured to be the fastest\n"));
  AttentionDesc unknown = kDesc;
  unknown.q_len = 0;
  const uint64_t before = device.state()->submitted;
  (void)kernel_of(device, unknown);
  CHECK(device.state()->submitted == before);
}

TEST_CASE("made-up calls fit every description, and memory") {
  const Device device = open();
  std::vector<AttentionDesc> descs = {kDesc};
  for (uint32_t feature = 1; feature <= kAllFeatures; feature <<= 1) {
    AttentionDesc& desc = descs.emplace_back(kDesc);
    desc.features = feature == kFeatureRegionMask ? feature | kFeatureRegions : feature;
  }
  for (const MaskKind mask : {MaskKind::keep, MaskKind::drop})
    for (const DType dtype : {DType::u8, DType::i32}) {
      AttentionDesc& desc = descs.emplace_back(kDesc);
      desc.mask = mask;
      desc.mask_dtype = dtype;
    }
  AttentionDesc& all = descs.emplace_back(kDesc);
  all.query_dtype = all.output_dtype = DType::f16;
  all.kv_dtype = all.bias_dtype = DType::bf16;
  all.bias = true;
  all.features = kAllFeatures & ~(kFeatureScoreItems | kFeatureValueItems);
  for (const AttentionDesc& desc : descs) {
    INFO("features " << desc.features);
    attention_detail::Sizes sizes{2, 4, 2};
    const AttentionCall call = must(attention_detail::make_call(device, desc, 1 << 20, sizes));
    AttentionDesc described = must(describe(call));
    must(attention_detail::match(described, must(attention_detail::validate(desc))));
    CHECK((described.q_len == kDesc.q_len && described.kv_len == kDesc.kv_len));
  }
  attention_detail::Sizes sizes{8, 12, 6};
  const uint64_t one = (20 * 32 + 33 * 32) * 4;  // bytes of a head with keys of its own
  (void)must(attention_detail::make_call(device, kDesc, one * 4, sizes));
  CHECK((sizes.batch == 1 && sizes.heads == 2 && sizes.kv_heads == 1));
  const auto none = attention_detail::make_call(device, kDesc, one - 1, sizes);
  REQUIRE_FALSE(none);
  CHECK(none.error().code == Code::unsupported);
}

TEST_CASE("what can't be measured is refused by name") {
  const Device device = open();
  const auto refused = [&](AttentionDesc desc, const TuneOptions& options, const std::string& message) {
    const auto report = tune(device, desc, options);
    REQUIRE_FALSE(report);
    CHECK(report.error().code == Code::invalid_argument);
    CHECK(report.error().message == message);
  };
  AttentionDesc unknown = kDesc;
  unknown.kv_len = 0;
  refused(unknown, {}, "tune: q_len is 20 and kv_len is 0; both must be known");
  refused(kDesc, {.max_seconds = 0}, "tune: max_seconds is 0; it must be above 0");
  refused(kDesc, {.batch = 0}, "tune: batch is 0 and heads is 8; both must be 1 or more");
  refused(kDesc, {.heads = 8, .kv_heads = 3}, "tune: kv_heads is 3; it must divide heads, 8");
}
