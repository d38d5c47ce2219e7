// Whether a file of weft_bench has what readers of it rely on: exit code 0, or 1 and what is wrong.
//   weft_bench_schema_test FILE CASES     CASES: how many cases there must be
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <nlohmann/json.hpp>
#include <set>
#include <string>

namespace {

using nlohmann::json;

int wrong = 0;

void expect(bool right, const std::string& what) {
  if (right) return;
  std::fprintf(stderr, "schema: %s\n", what.c_str());
  ++wrong;
}

// Members by the name of their type as json::type_name() has it; "number" is any.
bool has(const json& object, const char* name, const char* type, const std::string& where) {
  const bool right =
      object.is_object() && object.contains(name) && object[name].type_name() == std::string(type);
  expect(right, where + " has no " + name + " that is a " + type);
  return right;
}

// Of which run of weft_bench an entry is.
bool check_origin(const json& entry, const std::string& where) {
  for (const char* name : {"made", "commit"}) has(entry, name, "string", where);
  has(entry, "environment", "object", where);
  return has(entry, "arguments", "array", where);
}

void check_run(const json& run, const std::string& where, std::set<std::string>& clocks) {
  if (!has(run, "who", "string", where) || !has(run, "clock", "string", where)) return;
  const bool weft = run["who"] == "weft";
  has(run, weft ? "kernel" : "detail", "string", where);
  if (weft) clocks.insert(run["clock"].get<std::string>());
  if (!has(run, "samples_ns", "array", where) || !has(run, "median_ns", "number", where)) return;
  expect(run["samples_ns"].size() >= 3, where + " has fewer than 3 samples");
  for (const json& sample : run["samples_ns"])
    expect(sample.is_number() && sample > 0, where + " has a sample that is no time");
  expect(run["median_ns"] > 0, where + " has no median");
}

// Shares of operations and of what lies between them are parts of one run.
void check_operations(const json& one, const std::string& where) {
  if (!has(one, "operations", "array", where)) return;
  if (one["operations"].empty()) return expect(one["gap_share"].is_null(), where + ": its gap");
  if (!has(one, "gap_share", "number", where)) return;
  double sum = one["gap_share"];
  expect(sum >= 0 && sum < 1, where + " has a gap share that is none");
  for (const json& operation : one["operations"]) {
    for (const char* name : {"name", "kernel"}) has(operation, name, "string", where);
    for (const char* name : {"ns", "share", "flops"})
      if (!has(operation, name, "number", where)) return;
    expect(operation["ns"] > 0, where + " has an operation without time");
    sum += operation["share"].get<double>();
  }
  expect(std::abs(sum - 1) < 1e-6, where + ": shares and gap are not 1 together");
}

void check_case(const json& one) {
  const std::string where = "case '" + one.value("line", "") + "'";
  for (const char* name : {"suite", "line", "kind"}) has(one, name, "string", where);
  for (const char* name : {"flops", "bytes", "transient_bytes"}) has(one, name, "number", where);
  for (const char* name : {"refused", "error"}) has(one, name, "null", where);
  check_operations(one, where);
  if (!check_origin(one, where) || !has(one, "runs", "array", where)) return;
  std::set<std::string> clocks;
  for (const json& run : one["runs"]) check_run(run, where, clocks);
  for (const char* clock : {"wall", "host_record", "host_replay"})
    expect(clocks.contains(clock), where + " lacks Weft's clock " + clock);
  const bool first = std::ranges::find(one["arguments"], "--first") != one["arguments"].end();
  for (const char* clock : {"first_record", "first_wall"})
    expect(clocks.contains(clock) == first, where + ": Weft's clock " + clock);
}

void check_ceilings(const json& ceilings) {
  std::set<std::string> ids;
  for (const json& one : ceilings) {
    if (!has(one, "id", "string", "a ceiling")) continue;
    const std::string id = one["id"];
    ids.insert(id);
    const bool memory = id == "copy" || id == "read";
    expect(one.value("unit", "") == (memory ? "byte/s" : "flop/s"), "unit of " + id);
    expect(one.value("value", 0.0) > 1e7, "value of " + id);
    has(one, "detail", "string", id);
    check_origin(one, id);
  }
  for (const char* id : {"fma_f32", "copy", "read"})
    expect(ids.contains(id), std::string("no ceiling ") + id);
}

void check_scaling(const json& scaling) {
  std::set<std::string> series;
  for (const json& one : scaling) {
    for (const char* name : {"axis", "series", "profile"}) has(one, name, "string", "scaling");
    check_origin(one, "scaling");
    if (!has(one, "points", "array", "scaling")) continue;
    series.insert(one.value("series", ""));
    expect(one["points"].size() >= 3, "a scaling of fewer than 3 points");
    for (const json& point : one["points"])
      expect(point.value("x", 0) > 0 && point.value("median_ns", 0.0) > 0 &&
                 point.value("device_bytes", 0.0) > 0 && point.contains("line"),
             "a point of scaling that says nothing");
  }
  if (!scaling.empty())
    expect(series == std::set<std::string>{"fused", "materialised"}, "the series of scaling");
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 3) return 2;
  std::ifstream in(argv[1]);
  const json file = json::parse(in, nullptr, false);
  expect(file.is_object(), std::string(argv[1]) + " is no object of JSON");
  if (!file.is_object()) return 1;
  expect(file.value("format", "") == "weft-bench 1", "the format");
  for (const char* name : {"made", "version", "commit"}) has(file, name, "string", "the file");
  for (const char* name : {"host", "device", "environment"}) has(file, name, "object", "the file");
  for (const char* name : {"arguments", "ceilings", "cases", "scaling"})
    if (!has(file, name, "array", "the file")) return 1;
  has(file["environment"], "WEFT_CACHE_DIR", "string", "environment");
  has(file["host"], "cores", "number", "host");
  has(file["device"], "name", "string", "device");
  expect(file["cases"].size() == std::strtoull(argv[2], nullptr, 10), "the number of cases");
  for (const json& one : file["cases"]) check_case(one);
  check_ceilings(file["ceilings"]);
  check_scaling(file["scaling"]);
  return wrong ? 1 : 0;
}
