// Attention whose keys are split, two operations with memory between them, in every destination of a
// recording.
#include "decide/kernels.hpp"
#include "decide/select.hpp"
#include "device/host_app.hpp"
#include "weft/vulkan.h"

using namespace weft;
using namespace weft::test;

TEST_CASE("split: a program, one run and the app's commands give the same bits") {
  const auto problem = std::get<cases::AttentionCase>(must(cases::parse("b1 h4 kv2 q2 k1500 d32 f32")));
  const cases::AttentionProblem data = cases::make_problem(problem);
  size_t ran = 0;
  for (const decide::AttentionRow& row : decide::attention_rows()) {
    if (row.path != decide::Path::split) continue;
    INFO(row.name);
    HostApp host;
    {
      const Device on = host.adopt({.kernel = row.name});
      const AttentionDesc desc = must(describe(must(cases::make_call(on, problem, data))));
      if (!decide::why_not(on.traits(), row, decide::problem_of(desc)).empty()) continue;
      ++ran;
      std::vector<std::vector<float>> results;
      const auto each = [&](const auto& run) {
        const AttentionCall call = must(cases::make_call(on, problem, data));
        Recorder recorder(on);
        must(attention(recorder, call));
        run(recorder);
        results.push_back(must(on.download<float>(call.output)));
      };
      each([](Recorder& recorder) { must(must(must(recorder.finish()).run()).wait()); });
      each([](Recorder& recorder) { must(must(recorder.submit()).wait()); });
      each([&](Recorder& recorder) {
        host.begin();
        const ExternalRecording recording = must(record_into(recorder, host.app.commands));
        CHECK(recording.stats().operations == 2);
        CHECK(recording.stats().barriers == 1);
        host.end();
        must(host.app.submit_and_wait());
      });
      CHECK(results[0] == results[1]);
      CHECK(results[0] == results[2]);
    }
  }
  CHECK(ran > 0);
}
