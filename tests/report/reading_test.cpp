// What is read, and what is refused with which words.
#include "reading.hpp"

#include <catch2/catch_test_macros.hpp>
#include <nlohmann/json.hpp>
#include <string>

#include "page.hpp"

namespace weft::report {
namespace {

using Json = nlohmann::ordered_json;

Json smallest() {
  return Json::parse(R"({"format": "weft-bench 1", "device": {"name": "Example"}, "cases": []})");
}

Json with_case() {
  Json json = smallest();
  json["cases"].push_back(Json::parse(R"({"suite": "s", "line": "b1 h1 q1 k1 d1 f32", "runs": [
      {"who": "weft", "kernel": "row", "clock": "wall",
       "samples_ns": [3, 1, 2], "median_ns": 2}],
      "operations": [{"name": "linear query", "kernel": "row", "ns": 2, "share": 0.5}]})"));
  json["ceilings"] = Json::parse(R"([{"id": "copy", "value": 1}])");
  json["scaling"] = Json::parse(R"([{"axis": "heads", "series": "fused", "profile": "self",
      "points": [{"x": 1, "median_ns": 5}]}])");
  return json;
}

// What is said of the document after `path` was set to `value`.
std::string complaint(const char* path, const Json& value) {
  Json json = with_case();
  json[Json::json_pointer(path)] = value;
  const auto result = parse_measurement(json.dump(), "folder/a.json");
  return result.has_value() ? "accepted" : result.error().message;
}

}  // namespace

TEST_CASE("the smallest file is read, and makes a page") {
  const auto result = parse_measurement(smallest().dump(), "folder/a.json");
  REQUIRE(result.has_value());
  CHECK(result->name == "Example");
  CHECK(result->file == "a.json");
  CHECK(make_page({{*result}, {}, {}}).find("Example") != std::string::npos);
}

TEST_CASE("null stands for missing") {
  for (const char* path :
       {"/version", "/host", "/environment", "/arguments", "/ceilings", "/scaling",
        "/cases/0/flops", "/cases/0/transient_bytes", "/cases/0/refused", "/cases/0/operations",
        "/cases/0/gap_share", "/cases/0/commit", "/cases/0/arguments", "/scaling/0/made",
        "/cases/0/runs/0/samples_ns", "/cases/0/runs/0/median_ns",
        "/scaling/0/points/0/device_bytes"}) {
    INFO(path);
    CHECK(complaint(path, nullptr) == "accepted");
  }
}

TEST_CASE("the device may stand inside traits, as weft_info prints it") {
  Json json = smallest();
  json["device"] = {{"usable", true}, {"traits", {{"name", "Inner"}, {"type", "cpu"}}}};
  const auto result = parse_measurement(json.dump(), "a.json");
  REQUIRE(result.has_value());
  CHECK(result->name == "Inner");
  CHECK(result->type == "cpu");
}

TEST_CASE("entries are of the run that they name, or else of the file's") {
  Json json = with_case();
  json["commit"] = "later";
  json["made"] = "2026-02-03";
  json["arguments"] = {"--rounds"};
  const auto old = parse_measurement(json.dump(), "a.json");
  REQUIRE(old.has_value());
  CHECK(old->cases[0].origin == old->origin);
  CHECK(old->scaling[0].origin == old->origin);
  CHECK(old->ceilings[0].origin == old->origin);
  for (const char* section : {"cases", "scaling", "ceilings"}) {
    json[section][0]["commit"] = "older";
    json[section][0]["environment"] = {{"A", "1"}};
  }
  const auto read = parse_measurement(json.dump(), "a.json");
  REQUIRE(read.has_value());
  const Origin older{"older", "", {{"A", "1"}}, {}};
  CHECK(read->origin == Origin{"later", "2026-02-03", {}, {"--rounds"}});
  CHECK(read->cases[0].origin == older);
  CHECK(read->scaling[0].origin == older);
  CHECK(read->ceilings[0].origin == older);
}

TEST_CASE("the median is that of the samples") {
  Json json = with_case();
  json["cases"][0]["runs"][0]["median_ns"] = 99;
  CHECK(parse_measurement(json.dump(), "a.json")->cases[0].runs[0].median_ns == 2);
}

TEST_CASE("a wrong file is refused with its name, the field and what was found") {
  struct Wrong {
    const char* path;
    Json value;
    std::string said;
  };
  const Wrong wrongs[] = {
      {"/format", "weft-bench 2", R"(format: must be "weft-bench 1", found "weft-bench 2")"},
      {"/format", 1, "format: must be text, found 1"},
      {"/device", nullptr, "the document: must have a device"},
      {"/device", "cpu", R"(device: must be an object, found "cpu")"},
      {"/device/name", "", R"(device.name: must be text that is not empty, found "")"},
      {"/host", Json::array(), "host: must be an object, found []"},
      {"/environment", {{"A", 1}}, "environment.A: must be text, found 1"},
      {"/arguments", {"a", 2}, "arguments[1]: must be text, found 2"},
      {"/cases", nullptr, "cases: must be an array, found null"},
      {"/cases", 7, "cases: must be an array, found 7"},
      {"/cases/0", "x", R"(cases[0]: must be an object, found "x")"},
      {"/cases/0/suite", nullptr, "cases[0].suite: must be text, found null"},
      {"/cases/0/flops", -1, "cases[0].flops: must be a number from 0 to 1e30, found -1"},
      {"/cases/0/bytes", "9", R"(cases[0].bytes: must be a number from 0 to 1e30, found "9")"},
      {"/cases/0/runs/0/clock", "sun",
       "cases[0].runs[0].clock: must be one of wall device host_record host_replay first_record "
       "first_wall, "
       R"(found "sun")"},
      {"/cases/0/runs/0/samples_ns",
       {1, 0},
       "cases[0].runs[0].samples_ns[1]: must be a number from 1e-30 to 1e30, found 0"},
      {"/cases/0/runs/0/median_ns", "2",
       R"(cases[0].runs[0].median_ns: must be a number from 1e-30 to 1e30, found "2")"},
      {"/cases/0/runs/0",
       {{"who", "weft"}, {"clock", "wall"}},
       "cases[0].runs[0]: must have samples_ns or median_ns, found"},
      {"/cases/0/commit", 7, "cases[0].commit: must be text, found 7"},
      {"/scaling/0/arguments", {1}, "scaling[0].arguments[0]: must be text, found 1"},
      {"/ceilings/0/environment", "A", R"(ceilings[0].environment: must be an object, found "A")"},
      {"/cases/0/operations", 7, "cases[0].operations: must be an array, found 7"},
      {"/cases/0/operations/0/share", -1,
       "cases[0].operations[0].share: must be a number from 0 to 1e30, found -1"},
      {"/ceilings/0/value", 0, "ceilings[0].value: must be a number from 1e-30 to 1e30, found 0"},
      {"/ceilings/0/value", 1e31,
       "ceilings[0].value: must be a number from 1e-30 to 1e30, found 1e+31"},
      {"/ceilings/0/value", nullptr, "ceilings[0]: must have a value"},
      {"/scaling/0/axis", "depth", "scaling[0].axis: must be one of q_len kv_len heads"},
      {"/scaling/0/points/0/x", -4,
       "scaling[0].points[0].x: must be a number from 1e-30 to 1e30, found -4"},
  };
  for (const Wrong& wrong : wrongs) {
    const std::string said = complaint(wrong.path, wrong.value);
    INFO(wrong.path << ": " << said);
    CHECK(said.starts_with("folder/a.json: " + wrong.said));
  }
}

TEST_CASE("what is no JSON is refused with the place") {
  for (const char* text : {"", "{", "[1, 2", "{\"format\": \"weft-bench 1\"} x", "\xff\xfe",
                           "{\"format\": 1e999}", "[]", "null"}) {
    INFO(text);
    const auto result = parse_measurement(text, "a.json");
    REQUIRE_FALSE(result.has_value());
    CHECK(result.error().message.starts_with("a.json: "));
  }
}

TEST_CASE("every shortening of a good file is refused or read, never worse") {
  const std::string text = with_case().dump();
  std::size_t refused = 0;
  for (std::size_t size = 0; size < text.size(); ++size) {
    if (!parse_measurement(text.substr(0, size), "a.json").has_value()) ++refused;
  }
  CHECK(refused == text.size());
}

TEST_CASE("what compilers said is read, and refused where it is wrong") {
  const auto good = parse_compilers(
      R"({"drivers": [{"driver": "d", "pipelines": [
          {"kernel": "k", "case": "c", "statistics": {"registers": 3, "novel": 1}},
          {"kernel": "l"}]}]})",
      "s.json");
  REQUIRE(good.has_value());
  CHECK(good->at(0).pipelines.at(0).registers == 3);
  CHECK_FALSE(good->at(0).pipelines.at(1).registers);
  const auto bad = parse_compilers(
      R"({"drivers": [{"driver": "d", "pipelines": [{"kernel": "k",
          "statistics": {"spills": -1}}]}]})",
      "s.json");
  REQUIRE_FALSE(bad.has_value());
  CHECK(bad.error().message ==
        "s.json: drivers[0].pipelines[0].statistics.spills: must be a number from 0 to 1e30, found "
        "-1");
}

TEST_CASE("files that cannot be read are named") {
  CHECK(read_measurement(WEFT_REPORT_DATA "/none.json").error().message == WEFT_REPORT_DATA
        "/none.json: cannot be read");
  CHECK(read_measurement(WEFT_REPORT_DATA).error().message == WEFT_REPORT_DATA ": is a folder");
}

}  // namespace weft::report
