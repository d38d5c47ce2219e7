// The main function of every device test program: Catch2's, with a choice of one case and one
// kernel row, and no message of the validation layer forgiven.
#include <catch2/catch_session.hpp>
#include <cstdio>

#include "device/fixture.hpp"

int main(int argc, char** argv) {
  Catch::Session session;
  weft::test::Selection& selection = weft::test::selection();
  using Catch::Clara::Opt;
  session.cli(session.cli() |
              Opt(selection.case_line,
                  "line")["--case"]("run this case line in place of the files' lines") |
              Opt(selection.kernel, "row")["--kernel"]("run this kernel row only"));
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
