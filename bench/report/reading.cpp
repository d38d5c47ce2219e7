#include "reading.hpp"

#include <algorithm>
#include <array>
#include <filesystem>
#include <fstream>
#include <iterator>

#include "fields.hpp"
#include "statistics.hpp"

namespace weft::report {
namespace {

constexpr const char* kFormat = "weft-bench 1";

template <std::size_t N>
Result<std::string> one_of(const Field& parent, const std::string& key,
                           const std::array<const char*, N>& words) {
  WEFT_ASSIGN(std::string word, parent.required_text(key));
  if (std::ranges::find(words, word) != words.end()) return word;
  std::string rule = "must be one of";
  for (const char* allowed : words) rule += std::string(" ") + allowed;
  return parent.find(key)->wrong(rule);
}

constexpr std::array kClocks = {"wall",        "device",       "host_record",
                                "host_replay", "first_record", "first_wall"};
constexpr std::array kAxes = {"q_len", "kv_len", "heads"};
constexpr std::array kSeries = {"fused", "materialised"};
constexpr std::array kProfiles = {"cross", "self"};

// Of a file, or of one of its entries.
Result<Origin> read_origin(const Field& field) {
  Origin out;
  WEFT_ASSIGN(out.commit, field.text("commit"));
  WEFT_ASSIGN(out.made, field.text("made"));
  WEFT_ASSIGN(const auto environment, field.object("environment"));
  if (environment) {
    for (const auto& [key, value] : environment->json().items()) {
      WEFT_ASSIGN(std::string text, environment->text(key));
      out.environment.emplace_back(key, std::move(text));
    }
  }
  WEFT_ASSIGN(const auto arguments, field.list("arguments"));
  for (const Field& argument : arguments) {
    if (!argument.json().is_string()) return argument.wrong("must be text");
    out.arguments.push_back(argument.json().get<std::string>());
  }
  return out;
}

Result<Run> read_run(const Field& field) {
  WEFT_TRY(field.must_be_object());
  Run run;
  WEFT_ASSIGN(run.who, field.required_text("who"));
  WEFT_ASSIGN(run.kernel, field.text("kernel"));
  WEFT_ASSIGN(run.detail, field.text("detail"));
  WEFT_ASSIGN(run.clock, one_of(field, "clock", kClocks));
  WEFT_ASSIGN(const auto samples, field.list("samples_ns"));
  for (const Field& sample : samples) {
    WEFT_ASSIGN(const double value, positive(sample));
    run.samples_ns.push_back(value);
  }
  const auto median_ns = field.find("median_ns");
  if (run.samples_ns.empty() && !median_ns) {
    return field.wrong("must have samples_ns or median_ns");
  }
  if (median_ns) {
    WEFT_ASSIGN(run.median_ns, positive(*median_ns));
  }
  if (!run.samples_ns.empty()) run.median_ns = median(run.samples_ns);
  return run;
}

Result<Operation> read_operation(const Field& field) {
  WEFT_TRY(field.must_be_object());
  Operation out;
  WEFT_ASSIGN(out.name, field.required_text("name"));
  WEFT_ASSIGN(out.kernel, field.text("kernel"));
  WEFT_ASSIGN(const auto ns, field.number("ns"));
  WEFT_ASSIGN(const auto share, field.number("share"));
  out.ns = ns.value_or(0);
  out.share = share.value_or(0);
  return out;
}

Result<Case> read_case(const Field& field) {
  WEFT_TRY(field.must_be_object());
  Case out;
  WEFT_ASSIGN(out.suite, field.required_text("suite"));
  WEFT_ASSIGN(out.line, field.required_text("line"));
  WEFT_ASSIGN(out.kind, field.text("kind"));
  WEFT_ASSIGN(const auto flops, field.number("flops"));
  WEFT_ASSIGN(const auto bytes, field.number("bytes"));
  out.flops = flops.value_or(0);
  out.bytes = bytes.value_or(0);
  WEFT_ASSIGN(const auto runs, field.list("runs"));
  for (const Field& run : runs) {
    WEFT_ASSIGN(Run one, read_run(run));
    out.runs.push_back(std::move(one));
  }
  WEFT_ASSIGN(const auto operations, field.list("operations"));
  for (const Field& operation : operations) {
    WEFT_ASSIGN(Operation one, read_operation(operation));
    out.operations.push_back(std::move(one));
  }
  WEFT_ASSIGN(out.gap_share, field.number("gap_share"));
  WEFT_ASSIGN(out.transient_bytes, field.number("transient_bytes"));
  WEFT_ASSIGN(out.refused, field.text("refused"));
  WEFT_ASSIGN(out.error, field.text("error"));
  WEFT_ASSIGN(out.origin, read_origin(field));
  return out;
}

Result<Ceiling> read_ceiling(const Field& field) {
  WEFT_TRY(field.must_be_object());
  Ceiling out;
  WEFT_ASSIGN(out.id, field.required_text("id"));
  const auto value = field.find("value");
  if (!value) return field.wrong("must have a value");
  WEFT_ASSIGN(out.value, positive(*value));
  WEFT_ASSIGN(out.detail, field.text("detail"));
  WEFT_ASSIGN(out.origin, read_origin(field));
  return out;
}

Result<Series> read_series(const Field& field) {
  WEFT_TRY(field.must_be_object());
  Series out;
  WEFT_ASSIGN(out.axis, one_of(field, "axis", kAxes));
  WEFT_ASSIGN(out.series, one_of(field, "series", kSeries));
  WEFT_ASSIGN(out.profile, one_of(field, "profile", kProfiles));
  WEFT_ASSIGN(out.origin, read_origin(field));
  WEFT_ASSIGN(const auto points, field.list("points"));
  for (const Field& point : points) {
    WEFT_TRY(point.must_be_object());
    Point one;
    const auto x = point.find("x");
    if (!x) return point.wrong("must have an x");
    WEFT_ASSIGN(one.x, positive(*x));
    WEFT_ASSIGN(one.line, point.text("line"));
    WEFT_ASSIGN(one.median_ns, point.number("median_ns"));
    WEFT_ASSIGN(one.device_bytes, point.number("device_bytes"));
    out.points.push_back(std::move(one));
  }
  std::ranges::stable_sort(out.points, {}, &Point::x);
  return out;
}

Result<> read_host(const Field& document, Measurement& out) {
  WEFT_ASSIGN(const auto host, document.object("host"));
  if (!host) return {};
  WEFT_ASSIGN(out.host_cpu, host->text("cpu"));
  WEFT_ASSIGN(out.host_os, host->text("os"));
  WEFT_ASSIGN(const auto cores, host->number("cores"));
  out.host_cores = static_cast<int>(std::min(cores.value_or(0), 1e6));
  return {};
}

// The traits of weft_info --json, bare or inside its list's object.
Result<> read_device(const Field& document, Measurement& out) {
  WEFT_ASSIGN(auto device, document.object("device"));
  if (!device) return document.wrong("must have a device");
  WEFT_ASSIGN(auto traits, device->object("traits"));
  if (traits) device = traits;
  WEFT_ASSIGN(out.name, device->required_text("name"));
  WEFT_ASSIGN(out.driver_name, device->text("driver_name"));
  WEFT_ASSIGN(out.driver_info, device->text("driver_info"));
  WEFT_ASSIGN(out.type, device->text("type"));
  WEFT_ASSIGN(out.api_version, device->text("api_version"));
  return {};
}

Result<> read_circumstances(const Field& document, Measurement& out) {
  WEFT_ASSIGN(out.version, document.text("version"));
  WEFT_ASSIGN(out.origin, read_origin(document));
  WEFT_TRY(read_host(document, out));
  return read_device(document, out);
}

template <class Item, class Read>
Result<> read_all(const std::vector<Field>& fields, Read read, std::vector<Item>& out) {
  for (const Field& field : fields) {
    WEFT_ASSIGN(Item item, read(field));
    out.push_back(std::move(item));
  }
  return {};
}

// Entries that don't say of which run they are, are of the file's.
template <class Item>
void inherit(std::vector<Item>& entries, const Origin& origin) {
  for (Item& one : entries) {
    if (one.origin == Origin{}) one.origin = origin;
  }
}

Result<Measurement> measurement_of(const Field& document) {
  WEFT_TRY(document.must_be_object());
  WEFT_ASSIGN(const std::string format, document.required_text("format"));
  if (format != kFormat) {
    return document.find("format")->wrong(std::string("must be \"") + kFormat + "\"");
  }
  Measurement out;
  WEFT_TRY(read_circumstances(document, out));
  WEFT_ASSIGN(const auto ceilings, document.list("ceilings"));
  WEFT_TRY(read_all(ceilings, read_ceiling, out.ceilings));
  WEFT_ASSIGN(const auto cases, document.required_list("cases"));
  WEFT_TRY(read_all(cases, read_case, out.cases));
  WEFT_ASSIGN(const auto scaling, document.list("scaling"));
  WEFT_TRY(read_all(scaling, read_series, out.scaling));
  inherit(out.ceilings, out.origin);
  inherit(out.cases, out.origin);
  inherit(out.scaling, out.origin);
  return out;
}

Result<Pipeline> read_pipeline(const Field& field) {
  WEFT_TRY(field.must_be_object());
  Pipeline out;
  WEFT_ASSIGN(out.kernel, field.required_text("kernel"));
  WEFT_ASSIGN(out.line, field.text("case"));
  WEFT_ASSIGN(const auto statistics, field.object("statistics"));
  if (!statistics) return out;
  WEFT_ASSIGN(out.registers, statistics->number("registers"));
  WEFT_ASSIGN(out.spills, statistics->number("spills"));
  WEFT_ASSIGN(out.occupancy, statistics->number("occupancy"));
  WEFT_ASSIGN(out.cycles, statistics->number("cycles"));
  WEFT_ASSIGN(out.instructions, statistics->number("instructions"));
  WEFT_ASSIGN(out.scratch_bytes, statistics->number("scratch_bytes"));
  return out;
}

Result<Compiler> read_compiler(const Field& field) {
  WEFT_TRY(field.must_be_object());
  Compiler out;
  WEFT_ASSIGN(out.driver, field.required_text("driver"));
  WEFT_ASSIGN(out.device, field.text("device"));
  WEFT_ASSIGN(out.version, field.text("version"));
  WEFT_ASSIGN(const auto pipelines, field.list("pipelines"));
  WEFT_TRY(read_all(pipelines, read_pipeline, out.pipelines));
  return out;
}

Result<std::vector<Compiler>> compilers_of(const Field& document) {
  WEFT_TRY(document.must_be_object());
  WEFT_ASSIGN(const auto drivers, document.required_list("drivers"));
  std::vector<Compiler> out;
  WEFT_TRY(read_all(drivers, read_compiler, out));
  return out;
}

// Puts the file's name before what a parser says.
template <class T>
Result<T> named(Result<T> result, const std::string& name) {
  if (!result.has_value()) result.error().message = name + ": " + result.error().message;
  return result;
}

Result<std::string> text_of(const std::string& path) {
  std::error_code error;
  if (std::filesystem::is_directory(path, error)) {
    return fail(Code::invalid_argument, path + ": is a folder");
  }
  std::ifstream stream(path, std::ios::binary);
  if (!stream) return fail(Code::invalid_argument, path + ": cannot be read");
  return std::string(std::istreambuf_iterator<char>(stream), {});
}

std::string file_name(const std::string& path) {
  return std::filesystem::path(path).filename().string();
}

}  // namespace

Result<Measurement> parse_measurement(std::string_view text, const std::string& name) {
  WEFT_ASSIGN(const Json json, named(parse_json(text), name));
  WEFT_ASSIGN(Measurement out, named(measurement_of(Field(json, "")), name));
  out.file = file_name(name);
  return out;
}

Result<std::vector<Compiler>> parse_compilers(std::string_view text, const std::string& name) {
  WEFT_ASSIGN(const Json json, named(parse_json(text), name));
  return named(compilers_of(Field(json, "")), name);
}

Result<Measurement> read_measurement(const std::string& path) {
  WEFT_ASSIGN(const std::string text, text_of(path));
  return parse_measurement(text, path);
}

Result<std::vector<Compiler>> read_compilers(const std::string& path) {
  WEFT_ASSIGN(const std::string text, text_of(path));
  return parse_compilers(text, path);
}

}  // namespace weft::report
