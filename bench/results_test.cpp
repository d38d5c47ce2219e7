// What a file of results says of the run that it is from.
#include "results.hpp"

#include <catch2/catch_test_macros.hpp>
#include <filesystem>
#include <fstream>
#include <string>

#include "variables.hpp"

namespace weft::bench {
namespace {

using nlohmann::ordered_json;

constexpr const char* kSections[] = {"ceilings", "cases", "scaling"};

// What a run leaves that was asked for these lines.
Results results_of(const std::vector<std::string>& lines, const std::string& argument) {
  Results results{.traits = {}, .arguments = {argument}};
  results.traits.name = "Example";
  for (const std::string& line : lines) {
    Entry entry;
    entry.suite = "s";
    entry.line = line;
    results.entries.push_back(entry);
  }
  return results;
}

// A file that is gone when the test ends.
class File {
 public:
  explicit File(const std::string& name)
      : path_((std::filesystem::temp_directory_path() / ("weft_bench_" + name)).string()) {
    std::filesystem::remove(path_);
  }
  ~File() { std::filesystem::remove(path_); }
  File(const File&) = delete;
  File& operator=(const File&) = delete;

  const std::string& path() const { return path_; }
  ordered_json read() const {
    std::ifstream in(path_);
    return ordered_json::parse(in);
  }
  void write(const ordered_json& json) const { std::ofstream(path_) << json; }

 private:
  std::string path_;
};

// As another commit would have written it.
void write_older(const File& file, const Results& results) {
  ordered_json json = to_json(results);
  const auto date = [](ordered_json& one) {
    one["commit"] = "older";
    one["made"] = "2026-01-02T03:04:05Z";
  };
  date(json);
  for (const char* section : kSections)
    for (ordered_json& one : json[section]) date(one);
  file.write(json);
}

}  // namespace

TEST_CASE("whether Weft kept a cache is recorded, and not where") {
  set_variable("WEFT_CACHE_DIR", "/somewhere/cache");
  CHECK(to_json(Results{})["environment"]["WEFT_CACHE_DIR"] == "set");
  set_variable("WEFT_CACHE_DIR", "");
  CHECK(to_json(Results{})["environment"]["WEFT_CACHE_DIR"] == "unset");
}

TEST_CASE("a run without caches says so") {
  set_variable("WEFT_CACHE_DIR", "/somewhere/cache");
  turn_caches_off();
  const ordered_json json = to_json(Results{});
  CHECK(json.at("environment").at("WEFT_CACHE_DIR") == "unset");
  CHECK(json.at("environment").at("MESA_SHADER_CACHE_DISABLE") == "true");
}

TEST_CASE("every entry says when it was measured, with what, and how") {
  Results results = results_of({"a"}, "--rounds");
  results.ceilings = {{.id = "copy", .value = 1.0}};
  results.scaling = {{.axis = "heads"}};
  const ordered_json json = to_json(results);
  for (const char* section : kSections)
    for (const char* member : {"made", "commit", "environment", "arguments"}) {
      INFO(section << " " << member);
      REQUIRE(json.at(section).at(0).contains(member));
      CHECK(json.at(section).at(0).at(member) == json.at(member));
    }
}

TEST_CASE("what is appended is of this run, and what was there stays of its own") {
  const File file("append.json");
  Results older = results_of({"a", "b"}, "--first");
  older.ceilings = {{.id = "copy", .value = 1.0}};
  older.scaling = {{.axis = "heads"}};
  write_older(file, older);
  REQUIRE(write_json(results_of({"b", "c"}, "--second"), file.path(), true).has_value());
  const ordered_json json = file.read();
  CHECK(json.at("commit") != "older");
  CHECK(json.at("arguments") == ordered_json{"--second"});
  REQUIRE(json.at("cases").size() == 3);
  for (const ordered_json& one : json.at("cases")) {
    const bool kept = one.at("line") == "a";
    INFO(one.at("line"));
    CHECK(one.at("commit") == (kept ? ordered_json("older") : json.at("commit")));
    CHECK(one.at("made") == (kept ? ordered_json("2026-01-02T03:04:05Z") : json.at("made")));
    CHECK(one.at("arguments") == ordered_json{kept ? "--first" : "--second"});
  }
  for (const char* section : {"ceilings", "scaling"})
    CHECK(json.at(section).at(0).at("commit") == "older");
}

TEST_CASE("entries of files that named one run alone are of that run") {
  const File file("append_to_old.json");
  write_older(file, results_of({"a"}, "--first"));
  ordered_json json = file.read();
  for (const char* member : {"made", "commit", "environment", "arguments"})
    json["cases"][0].erase(member);
  file.write(json);
  REQUIRE(write_json(results_of({"b"}, "--second"), file.path(), true).has_value());
  CHECK(file.read().at("cases").at(0).at("commit") == "older");
  CHECK(file.read().at("cases").at(0).at("arguments") == ordered_json{"--first"});
  for (const char* member : {"made", "commit", "environment", "arguments"}) {
    json.erase(member);
    file.write(json);
    CHECK(write_json(results_of({"b"}, "--second"), file.path(), true).has_value());
    CHECK(file.read().at("cases").at(0).at(member).is_null());
  }
}

TEST_CASE("a file of another device or host is refused, naming both") {
  const File file("append_to_other.json");
  Results results = results_of({"a"}, "--first");
  CHECK(check_append(results.traits, file.path()).has_value());  // no file yet
  REQUIRE(write_json(results, file.path(), false).has_value());
  CHECK(check_append(results.traits, file.path()).has_value());
  results.traits.name = "Another";
  const auto device = check_append(results.traits, file.path());
  REQUIRE_FALSE(device.has_value());
  CHECK(device.error().message ==
        "--append: " + file.path() + R"( is of another device: name is "Example", here "Another")");
  CHECK_FALSE(write_json(results, file.path(), true).has_value());
  CHECK(file.read().at("device").at("name") == "Example");

  results.traits.name = "Example";
  ordered_json json = file.read();
  json["host"]["cpu"] = "Another CPU";
  file.write(json);
  const auto host = check_append(results.traits, file.path());
  REQUIRE_FALSE(host.has_value());
  CHECK(host.error().message.starts_with("--append: " + file.path() +
                                         R"( is of another host: cpu is "Another CPU", here )"));
}

TEST_CASE("what is no file of results is not appended to") {
  const File file("append_to_none.json");
  for (const char* text : {"", "[]", R"({"format": "weft-bench 1"})",
                           R"({"format": "weft-bench 1", "host": {}, "device": {}, "ceilings": [],
                               "cases": [], "scaling": []})",
                           R"({"format": "weft-bench 1", "host": {}, "device": {"name": "Example"},
                               "ceilings": [], "cases": [1], "scaling": []})"}) {
    INFO(text);
    std::ofstream(file.path()) << text;
    const auto checked = check_append({}, file.path());
    REQUIRE_FALSE(checked.has_value());
    CHECK(checked.error().message == "--append: " + file.path() + " is no file of weft_bench");
  }
}

}  // namespace weft::bench
