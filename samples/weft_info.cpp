// Lists the Vulkan devices of this machine, whether Weft can use each, and which kernel rows it would run.
#include <CLI/CLI.hpp>
#include <cstdio>
#include <nlohmann/json.hpp>

#include "info/traits_json.hpp"
#include "weft/version.hpp"
#include "weft/weft.hpp"

namespace {

std::string version_text(uint32_t version) {
  return std::to_string(version >> 22 & 0x7f) + "." + std::to_string(version >> 12 & 0x3ff) + "." +
         std::to_string(version & 0xfff);
}

nlohmann::ordered_json to_json(const weft::DeviceInfo& info) {
  return {{"usable", info.usable}, {"why_not", info.why_not}, {"traits", info::to_json(info.traits)}};
}

void print(size_t index, const weft::DeviceInfo& info) {
  const weft::DeviceTraits& t = info.traits;
  std::printf("%zu: %s (%s)\n   driver %s %s, Vulkan %s\n", index, t.name.c_str(), weft::to_string(t.type),
              t.driver_name.c_str(), t.driver_info.c_str(), version_text(t.api_version).c_str());
  if (!info.usable) std::printf("   can't be used: %s\n", info.why_not.c_str());
  std::printf("   16-bit memory %s, subgroups of %u, workgroups up to %u, %s memory\n",
              t.storage_16bit ? "yes" : "no (packed loads)", t.subgroup_size, t.max_workgroup_invocations,
              t.unified_memory ? "unified" : "separate");
  for (const auto& quirk : t.quirks) std::printf("   quirk: %s\n", quirk.c_str());
}

int save(const std::string& name, const std::string& path, const std::string& source) {
  const auto device = weft::Device::open({.name = name});
  const auto saved = device ? info::save_device(device->traits(), source, path)
                            : weft::Result<void>(std::unexpected(device.error()));
  if (saved) return 0;
  std::fprintf(stderr, "weft_info: %s\n", saved.error().message.c_str());
  return 2;
}

int explain(const std::string& name, const weft::AttentionDesc& desc) {
  const auto device = weft::Device::open({.name = name});
  if (!device) {
    std::fprintf(stderr, "weft_info: %s\n", device.error().message.c_str());
    return 2;
  }
  std::printf("%s", weft::explain(*device, desc).c_str());
  return 0;
}

// Measures the rows that can run it, and keeps the fastest where WEFT_CACHE_DIR names a folder.
int tune(const std::string& name, const weft::AttentionDesc& desc, const weft::TuneOptions& options) {
  const auto device = weft::Device::open({.name = name});
  const auto report = device ? weft::tune(*device, desc, options)
                             : weft::Result<weft::TuneReport>(std::unexpected(device.error()));
  if (!report) {
    std::fprintf(stderr, "weft_info: %s\n", report.error().message.c_str());
    return 2;
  }
  std::printf("%u x %u heads (%u with keys), %.1f s\n", report->batch, report->heads, report->kv_heads,
              report->seconds);
  for (const weft::TuneRow& row : report->rows) {
    if (row.why_not.empty())
      std::printf("%-32s %10.1f us, %u runs%s\n", row.kernel.c_str(), row.median_ns / 1e3, row.runs,
                  row.kernel == report->fastest ? ", chosen from now on" : "");
    else
      std::printf("%-32s %s\n", row.kernel.c_str(), row.why_not.c_str());
  }
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App app{"Lists Vulkan devices and the attention kernels that Weft runs on them."};
  bool json = false;
  std::string device, path, source;
  uint32_t head_dim = 0, q_len = 0, kv_len = 0, tuned_dim = 0;
  bool half = false;
  weft::TuneOptions options;
  app.set_version_flag("--version", "weft_info " WEFT_VERSION);
  app.add_flag("--json", json, "Print JSON: every trait of every device");
  app.add_option("--device", device, "Device for --explain, --tune and --save: an index or part of a name");
  app.add_option("--explain", head_dim, "Say which kernel row runs attention of this head_dim, and why not the others");
  app.add_option("--tune", tuned_dim,
                 "Measure which kernel row is the fastest for this head_dim; WEFT_CACHE_DIR keeps it");
  app.add_option("--q-len", q_len, "Query rows for --explain and --tune");
  app.add_option("--kv-len", kv_len, "Keys for --explain and --tune");
  app.add_flag("--f16", half, "f16 tensors for --explain and --tune, in place of f32");
  app.add_option("--batch", options.batch, "Items for --tune");
  app.add_option("--heads", options.heads, "Heads for --tune");
  app.add_option("--seconds", options.max_seconds, "Time for --tune");
  app.add_option("--source", source, "Where the device was seen, for --save");
  app.add_option("--save", path, "Write a device for tests/devices to a file")->needs("--source");
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    const int code = app.exit(error);
    return code == 0 ? 0 : 2;
  }
  if (!path.empty()) return save(device, path, source);
  const weft::DType dtype = half ? weft::DType::f16 : weft::DType::f32;
  weft::AttentionDesc desc{.query_dtype = dtype, .kv_dtype = dtype, .output_dtype = dtype,
                           .q_len = q_len, .kv_len = kv_len};
  desc.head_dim = tuned_dim > 0 ? tuned_dim : head_dim;
  if (tuned_dim > 0) return tune(device, desc, options);
  if (head_dim > 0) return explain(device, desc);
  const auto devices = weft::Device::list();
  if (!devices) {
    std::fprintf(stderr, "weft_info: %s\n", devices.error().message.c_str());
    return 2;
  }
  if (json) {
    auto list = nlohmann::ordered_json::array();
    for (const auto& info : *devices) list.push_back(to_json(info));
    std::printf("%s\n", list.dump(2, ' ', false, nlohmann::ordered_json::error_handler_t::replace).c_str());
  } else {
    for (size_t i = 0; i < devices->size(); ++i) print(i, (*devices)[i]);
  }
  return 0;
}
