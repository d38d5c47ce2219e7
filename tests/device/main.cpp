// The main function of every device test program: Catch2's, with a choice of one case and one
// kernel row, or of random lines, and no message of the validation layer forgiven.
#include <catch2/catch_session.hpp>
#include <cstdio>
#include <string>

#include "device/fixture.hpp"

namespace {

// "0/2"
Catch::Clara::ParserResult read_part(const std::string& text) {
  auto& [part, parts] = weft::test::selection().part;
  if (std::sscanf(text.c_str(), "%d/%d", &part, &parts) != 2 || part < 0 || part >= parts)
    return Catch::Clara::ParserResult::runtimeError("--part is '" + text + "'; it must be as 0/2");
  return Catch::Clara::ParserResult::ok(Catch::Clara::ParseResultType::Matched);
}

}  // namespace

int main(int argc, char** argv) {
  Catch::Session session;
  weft::test::Selection& selection = weft::test::selection();
  using Catch::Clara::Opt;
  session.cli(session.cli() |
              Opt(selection.case_line,
                  "line")["--case"]("run this case line in place of the files' lines") |
              Opt(selection.kernel, "row")["--kernel"]("run this kernel row only") |
              Opt(selection.all_rows)["--all-rows"](
                  "every line on every kernel row that can run it; else they take turns") |
              Opt([&](int64_t seed) { selection.seed = seed; },
                  "number")["--seed"]("of random lines; today's date when not given") |
              Opt([](const std::string& text) { return read_part(text); },
                  "part/parts")["--part"]("run this part of the random lines only"));
  if (const int error = session.applyCommandLine(argc, argv); error != 0) return error;
  if (!selection.case_line.empty() && session.configData().testsOrTags.empty())
    session.configData().testsOrTags = {"[one]"};

  const int failed = session.run();
  const auto messages = static_cast<unsigned long long>(weft::test::validation_messages());
  weft::test::close_devices();
  if (messages == 0) return failed;
  std::printf("%llu messages of the validation layer; there must be none\n", messages);
  return 1;
}
