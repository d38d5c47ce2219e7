// The whole page, from the examples and from hostile input.
#include "page.hpp"

#include <algorithm>
#include <catch2/catch_test_macros.hpp>
#include <string>

#include "charts.hpp"
#include "measures.hpp"
#include "page_checks.hpp"
#include "reading.hpp"

namespace weft::report {
namespace {

Measurement example(const char* name) {
  const auto result = read_measurement(std::string(WEFT_REPORT_DATA "/") + name);
  INFO((result.has_value() ? "" : result.error().message));
  REQUIRE(result.has_value());
  return *result;
}

std::vector<Compiler> example_compilers() {
  const auto result = read_compilers(WEFT_REPORT_DATA "/static.json");
  REQUIRE(result.has_value());
  return *result;
}

Report devices() {
  return {
      {example("cpu.json"), example("gpu.json"), example("phone.json")}, example_compilers(), {}};
}

void require_good(const std::string& page) {
  const auto faults = faults_of(page);
  INFO((faults.empty() ? "" : faults.front()));
  REQUIRE(faults.empty());
}

bool has(const std::vector<std::string>& texts, std::string_view wanted) {
  return std::ranges::any_of(
      texts, [&](const std::string& text) { return text.find(wanted) != std::string::npos; });
}

// Every string of a measurement, so that none can be forgotten.
void add_strings(std::vector<std::string*>& all, Origin& origin) {
  all.insert(all.end(), {&origin.commit, &origin.made});
  for (auto& [key, value] : origin.environment) all.insert(all.end(), {&key, &value});
  for (auto& argument : origin.arguments) all.push_back(&argument);
}

std::vector<std::string*> strings_of(Measurement& one) {
  std::vector<std::string*> all = {&one.file,        &one.version, &one.host_cpu,
                                   &one.host_os,     &one.name,    &one.driver_name,
                                   &one.driver_info, &one.type,    &one.api_version};
  add_strings(all, one.origin);
  for (auto& ceiling : one.ceilings) {
    all.push_back(&ceiling.detail);
    add_strings(all, ceiling.origin);
  }
  for (auto& series : one.scaling) add_strings(all, series.origin);
  for (auto& one_case : one.cases) {
    for (auto& run : one_case.runs) {
      all.insert(all.end(), {&run.kernel, &run.detail});
      if (run.who != kWeft) all.push_back(&run.who);
    }
    for (auto& operation : one_case.operations)
      all.insert(all.end(), {&operation.name, &operation.kernel});
    all.insert(all.end(), {&one_case.suite, &one_case.line, &one_case.kind});
    add_strings(all, one_case.origin);
    if (!one_case.refused.empty()) all.push_back(&one_case.refused);
    if (!one_case.error.empty()) all.push_back(&one_case.error);
  }
  return all;
}

void poison(Measurement& one) {
  for (std::string* text : strings_of(one)) {
    *text +=
        "</title></script><script>alert(\"'&amp;\")</script><img src=x onerror=alert(1)>\x01\x7f";
  }
}

}  // namespace

TEST_CASE("strings are escaped for text and for attributes") {
  CHECK(escape("a<b>&\"'") == "a&lt;b&gt;&amp;&quot;&#39;");
  CHECK(escape(std::string("\0\x1b\n\t", 4)) == "\xEF\xBF\xBD\xEF\xBF\xBD\n\t");
  CHECK(escape("\xEF\xBF\xBF.") == "\xEF\xBF\xBD.");
  CHECK(escape("µ – 层") == "µ – 层");
}

TEST_CASE("numbers have three digits and a unit") {
  CHECK(show_time(6.2149e6) == "6.21 ms");
  CHECK(show_time(999.6) == "1.00 µs");
  CHECK(show_time(2.5e10) == "25.0 s");
  CHECK(show_rate(1.2e11, "FLOP/s") == "120 GFLOP/s");
  CHECK(show_rate(999.6e9, "B/s") == "1.00 TB/s");
  CHECK(show_bytes(0) == "0 B");
  CHECK(show_bytes(264192) == "258 KiB");
  CHECK(show_percent(0.713) == "71 %");
  CHECK(show_percent(0.9996) == "100 %");
  CHECK(show_times(0.9649) == "0.96×");
  CHECK(show_times(23.11) == "23.1×");
  CHECK(significant(1e-30).size() < 20);
  CHECK(significant(1e300).size() > 300);
}

TEST_CASE("round ticks") {
  const auto plain = [](double value) { return show_plain(value); };
  const auto labels = [&](const Scale& scale, int most) {
    std::string all;
    for (const Tick& tick : ticks_of(scale, plain, most)) all += tick.label + " ";
    return all;
  };
  CHECK(labels({0, 9, 0, 1}, 4) == "0 5 ");
  CHECK(labels({0, 1, 0, 1}, 4) == "0 0.5 1 ");
  CHECK(labels({1, 1000, 0, 1, true}, 4) == "1 10 100 1000 ");
  CHECK(labels({3, 60, 0, 1, true}, 6) == "5 10 20 50 ");
  CHECK(labels({0, 4000, 0, 1, false, true}, 4) == "0 1024 2048 3072 ");
}

TEST_CASE("the page of three devices is whole") {
  const Report report = devices();
  const std::string page = make_page(report);
  require_good(page);
  const auto headings = texts_of(page, "h2");
  for (const Measurement& device : report.devices) CHECK(has(headings, device.name));
  for (const std::string& suite : suites_of(report.devices)) CHECK(has(headings, suite));
  const auto codes = texts_of(page, "code");
  for (const Measurement& device : report.devices) {
    for (const Case& one : device.cases) {
      INFO(one.line);
      CHECK(has(codes, one.line));
      for (const Run& run : one.runs) CHECK(has(codes, run.kernel));
    }
  }
  const auto cells = texts_of(page, "td");
  CHECK(has(cells, "no row takes bf16 storage"));
  CHECK(has(cells, "exampledrv Mesa 99.1"));
  CHECK(has(texts_of(page, "figcaption"), "device memory against kv_len"));
  CHECK(has(texts_of(page, "p"), "of 12 pipelines spill registers"));
}

TEST_CASE("every chart has a name for those who can't see it") {
  const std::string page = make_page(devices());
  const std::size_t charts = count_in(page, "<svg role=\"img\"");
  CHECK(charts > 30);
  CHECK(count_in(page, "aria-label=\"Time. submit to done") == suites_of(devices().devices).size());
  CHECK(count_in(page, "<desc>") == charts);
  CHECK(count_in(page, "<svg ") == charts + count_in(page, "<svg class=\"icon\""));
}

TEST_CASE("nothing is fetched") {
  std::string page = make_page(devices());
  for (const char* fetch : {" src=", "url(", "@import", "<link", "<iframe", "fetch(", "XMLHttp"}) {
    INFO(fetch);
    CHECK(count_in(page, fetch) == 0);
  }
  CHECK(count_in(page, "content=\"default-src 'none'; ") == 1);
  // The one address is the name of SVG.
  CHECK(count_in(page, "://") == count_in(page, "xmlns=\"http://www.w3.org/2000/svg\""));
}

TEST_CASE("the fitted exponent stands at the line") {
  Measurement one;
  one.name = "Example";
  Series series{"q_len", "fused", "cross", {}};
  for (double x = 16; x <= 256; x *= 2) series.points.push_back({x, "", x * x * 7, x * 32});
  one.scaling = {series};
  const std::string page = make_page({{one}, {}, {}});
  require_good(page);
  CHECK(count_in(page, "cross fused n<tspan class=\"up\" dy=\"-4\">2.00</tspan>") == 1);
  CHECK(count_in(page, "cross fused n<tspan class=\"up\" dy=\"-4\">1.00</tspan>") == 1);
}

TEST_CASE("a ceiling that was passed is doubted") {
  Measurement one;
  one.name = "Example";
  one.ceilings = {{"fma_f32", 1e12, ""}, {"copy", 1e11, ""}};
  // 1e9 FLOP need 1 ms; 1e9 bytes need 10 ms.
  one.cases = {{.suite = "s",
                .line = "x",
                .flops = 1e9,
                .bytes = 1,
                .runs = {{.who = "weft", .clock = "wall", .median_ns = 1.02e6}}},
               {.suite = "s",
                .line = "y",
                .flops = 1,
                .bytes = 1e9,
                .runs = {{.who = "weft", .clock = "wall", .median_ns = 2e6}}}};
  CHECK(count_in(make_page({{one}, {}, {}}), "class=\"doubt\"") == 0);  // caches may lift memory
  one.cases[0].runs[0].median_ns = 0.8e6;
  CHECK(has(texts_of(make_page({{one}, {}, {}}), "p"), "1 case passed the arithmetic ceiling"));
}

TEST_CASE("changes are marked, and the test is named") {
  Report report{{example("cpu.json"), example("cpu_later.json")}, {}, {}};
  REQUIRE(same_device(report.devices[0], report.devices[1]));
  report.changes = compare(report.devices[0], report.devices[1], kDefaultThreshold);
  const std::string page = make_page(report);
  require_good(page);
  CHECK(count_of(*report.changes, Verdict::broken) == 1);
  CHECK(has(texts_of(page, "p"), "1 broken, 2 slower, 2 faster"));
  CHECK(has(texts_of(page, "p"), "Mann-Whitney U test"));
  CHECK(count_in(page, "class=\"badge worse\">slower") ==
        4);  // in the changes and in the whole list
  CHECK(count_in(page, "class=\"bar worse\"") == 1);
}

TEST_CASE("hostile strings stay text") {
  Report report{{example("cpu.json"), example("cpu_later.json")}, example_compilers(), {}};
  for (Measurement& one : report.devices) poison(one);
  for (Compiler& compiler : report.compilers) {
    for (std::string* text : {&compiler.driver, &compiler.device, &compiler.version}) {
      *text += "<script>\"'&";
    }
    for (Pipeline& one : compiler.pipelines) {
      one.kernel += "<script>\"'&";
      one.line += "<script>\"'&";
    }
  }
  report.changes = compare(report.devices[0], report.devices[1], kDefaultThreshold);
  const std::string page = make_page(report);
  require_good(page);
  CHECK(count_in(page, "<script") == 1);
  CHECK(count_in(page, "<img") == 0);
  CHECK(count_in(page, "onerror=alert(1)&gt;") > 100);
}

TEST_CASE("the checker sees what is wrong") {
  const std::string start = "<!DOCTYPE html>";
  CHECK(faults_of(start + "<p a=\"1\">x &amp; <br/></p>").empty());
  for (const char* bad :
       {"<p>", "</p>", "<p><b></p></b>", "<p a=1></p>", "<p a=\"1\" a=\"2\"></p>", "a & b",
        "<p id=\"x\"/><b id=\"x\"/>", "<a href=\"#no\"></a>", "\x01", "<p", "a < b"}) {
    INFO(bad);
    CHECK_FALSE(faults_of(start + bad).empty());
  }
}

TEST_CASE("strange numbers make a page all the same") {
  Measurement one;
  one.name = "Example";
  one.ceilings = {{"fma_f32", 1e-30, ""}, {"copy", 1e30, ""}};
  const Run run{.who = "weft", .clock = "wall", .median_ns = 1e-30};
  const Run peer{.who = "peer", .clock = "wall", .median_ns = 1e30};
  one.cases = {{.suite = "s", .line = "x", .flops = 1e30, .bytes = 1e-30, .runs = {run, peer}},
               {.suite = "s", .line = "y", .flops = 1, .bytes = 1, .runs = {peer}},
               {.suite = "", .line = "", .runs = {run}, .transient_bytes = 1e30}};
  one.scaling = {{"heads", "fused", "self", {{1, "", 1e-30, 1e30}}},
                 {"heads", "fused", "self", {}}};
  const std::string page = make_page({{one, one}, {}, {}});
  require_good(page);
  CHECK(count_in(page, "=\"nan") + count_in(page, "=\"inf") == 0);
}

TEST_CASE("where the time of several operations goes") {
  Measurement one = example("cpu.json");
  const std::string title = "Where the time of " + one.cases[0].suite + " goes";
  one.cases[0].operations = {{"linear query", "linear_row", 3e6, 0.75}};
  one.cases[0].gap_share = 0.25;
  CHECK(count_in(make_page({{one}, {}, {}}), title) == 0);
  one.cases[0].operations = {{"linear query", "linear_row", 3e6, 0.61},
                             {"add", "add_row", 1e6, 0.2}};
  one.cases[0].gap_share = 0.19;
  const std::string page = make_page({{one}, {}, {}});
  require_good(page);
  for (const char* text : {title.c_str(), "linear query", "add_row", ">61 %<", ">19 %<"})
    CHECK(count_in(page, text) > 0);
}

TEST_CASE("Weft's attention alone is a mark and a column of its suite, and no headline") {
  Measurement one;
  one.name = "Example";
  one.cases = {{.suite = "maps",
                .line = "x",
                .runs = {{.who = "weft", .clock = "wall", .median_ns = 3e6},
                         {.who = "fused_alone", .clock = "wall", .median_ns = 2e6}}}};
  const std::string page = make_page({{one}, {}, {}});
  require_good(page);
  CHECK(has(texts_of(page, "th"), "× fused_alone"));
  CHECK(has(texts_of(page, "title"), "fused_alone: 2.00 ms"));
  CHECK(count_in(page, "as fast as") == 0);
  CHECK(count_in(page, "class=\"n behind\"") == 0);
}

TEST_CASE("a card of a driver that runs on the host names the host's processor") {
  Measurement one = example("cpu.json");
  one.host_cpu = "Example & Co";
  one.type = "cpu";
  CHECK(count_in(make_page({{one}, {}, {}}), ">cpu (Example &amp; Co), driver ") == 1);
  one.type = "integrated";
  CHECK(count_in(make_page({{one}, {}, {}}), ">integrated, driver ") == 1);
}

TEST_CASE("what is of another commit than the file's says so") {
  Measurement one = example("cpu.json");
  const std::string suite = one.cases[0].suite;
  CHECK(count_in(make_page({{one}, {}, {}}), "measured at 0123456789") == 1);  // its card
  CHECK(count_in(make_page({{one}, {}, {}}), ", not at ") == 0);
  one.cases[1].origin.commit = one.scaling[0].origin.commit = "older";
  one.cases[1].origin.made = one.scaling[0].origin.made = "2026-01-02T03:04:05Z";
  REQUIRE(one.cases[1].suite == suite);
  std::string page = make_page({{one}, {}, {}});
  require_good(page);
  auto lines = texts_of(page, "p");
  CHECK(has(lines, "cpu.json, measured at 0123456789 and older"));
  CHECK(has(lines, "A measured at older (2026-01-02), not at 0123456789: cases 2"));
  CHECK(has(lines, "A measured at older (2026-01-02), not at 0123456789: curves " +
                       one.scaling[0].axis + " "));
  CHECK(has(lines, "A older 2026-01-02T03:04:05Z: 1 case, 1 curve"));
  const Origin older = one.cases[1].origin;
  for (Case& each : one.cases)
    if (each.suite == suite) each.origin = older;
  page = make_page({{one}, {}, {}});
  CHECK(has(texts_of(page, "p"), ", not at 0123456789: all"));
}

TEST_CASE("first calls have columns where there are any") {
  Measurement one = example("cpu.json");
  CHECK_FALSE(has(texts_of(make_page({{one}, {}, {}}), "th"), "first call"));
  Case& first = one.cases[0];
  for (const char* clock : {"first_record", "first_wall"})
    first.runs.push_back({.who = "weft", .clock = clock, .median_ns = 5e8});
  const std::string page = make_page({{one}, {}, {}});
  require_good(page);
  CHECK(count_in(page, ">first call</th>") == 1);  // of its suite alone
  CHECK(has(texts_of(page, "td"), "1.00 s"));
  CHECK(has(texts_of(page, "td"), "986 ms"));
}

TEST_CASE("many devices keep their letters") {
  std::vector<Measurement> many(30, example("phone.json"));
  const std::string page = make_page({many, {}, {}});
  require_good(page);
  CHECK(letter_of(25) == "Z");
  CHECK(letter_of(26) == "27");
  CHECK(count_in(page, ">27</span>") > 0);
}

}  // namespace weft::report
