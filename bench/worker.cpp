#include "worker.hpp"

#ifndef _WIN32
#include <fcntl.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <cstdio>

extern char** environ;
#endif

namespace weft::bench {

#ifndef _WIN32

struct Worker::Process {
  pid_t id = 0;
  FILE* to = nullptr;
  FILE* from = nullptr;
  std::string name;
};

Result<std::shared_ptr<Worker>> Worker::start(const std::vector<std::string>& command) {
  std::signal(SIGPIPE, SIG_IGN);  // a worker that has ended is an error of ask, not our end
  int in[2], out[2];
  if (pipe(in) != 0) return fail(Code::internal, "worker: no pipe");
  if (pipe(out) != 0) return fail(Code::internal, "worker: no pipe");
  for (const int end : {in[1], out[0]}) fcntl(end, F_SETFD, FD_CLOEXEC);
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_adddup2(&actions, in[0], STDIN_FILENO);
  posix_spawn_file_actions_adddup2(&actions, out[1], STDOUT_FILENO);
  for (const int end : {in[0], out[1]}) posix_spawn_file_actions_addclose(&actions, end);
  std::vector<char*> arguments;
  for (const std::string& word : command) arguments.push_back(const_cast<char*>(word.c_str()));
  arguments.push_back(nullptr);
  pid_t id = 0;
  const int failed = posix_spawnp(&id, arguments[0], &actions, nullptr, arguments.data(), environ);
  posix_spawn_file_actions_destroy(&actions);
  close(in[0]);
  close(out[1]);
  if (failed) {
    close(in[1]);
    close(out[0]);
    return fail(Code::invalid_argument, "worker: '" + command[0] + "' can't be started");
  }
  const std::shared_ptr<Worker> worker(new Worker);
  worker->process_.reset(new Process{id, fdopen(in[1], "w"), fdopen(out[0], "r"), command.back()});
  return worker;
}

Worker::~Worker() {
  if (!process_) return;
  std::fclose(process_->to);  // the end of its input is the end of its work
  std::fclose(process_->from);
  waitpid(process_->id, nullptr, 0);
}

Result<nlohmann::json> Worker::ask(const nlohmann::json& question) {
  std::fprintf(process_->to, "%s\n", question.dump().c_str());
  std::fflush(process_->to);
  std::string line;
  for (int c = std::fgetc(process_->from); c != EOF && c != '\n'; c = std::fgetc(process_->from))
    line += static_cast<char>(c);
  const auto answer = nlohmann::json::parse(line, nullptr, false);
  if (!answer.is_object())
    return fail(Code::internal, "worker: " + process_->name + " said '" + line.substr(0, 200) +
                                    "' in place of an answer");
  if (const std::string error = answer.value("error", ""); !error.empty())
    return fail(Code::internal, "worker: " + process_->name + ": " + error);
  return answer;
}

#else

struct Worker::Process {};

Result<std::shared_ptr<Worker>> Worker::start(const std::vector<std::string>&) {
  return fail(Code::unsupported, "worker: peers in other processes need POSIX");
}
Worker::~Worker() = default;
Result<nlohmann::json> Worker::ask(const nlohmann::json&) {
  return fail(Code::unsupported, "worker: peers in other processes need POSIX");
}

#endif

}  // namespace weft::bench
