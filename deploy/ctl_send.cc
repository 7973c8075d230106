// A text from a script (ctl_send.h).
#include "deploy/ctl_send.h"

#include <poll.h>

#include <array>
#include <csignal>
#include <cstdio>
#include <random>
#include <utility>

#include "deploy/chat_text.h"
#include "shared/names.h"

namespace ims {
namespace {

using namespace std::chrono_literals;
constexpr CtlLink::Milliseconds kTryMax = 15s;

std::string random_id() {
  std::random_device device;
  std::string id = "imsctl.";
  for (int i = 0; i < 16; ++i) id += static_cast<char>('a' + device() % 26);
  return id;
}

int told(const client::Answer& answer) {
  if (answer.code == Code::kOk) {
    std::printf("%llu\n", static_cast<unsigned long long>(answer.seq));
    return 0;
  }
  throw OperatorError(std::string(name_of(answer.code)) + ": " + escape_text(answer.reason));
}

}  // namespace

const char* name_of(Code code) noexcept {
  constexpr std::array<const char*, kCodeCount> kNames = {
      "OK",          "FAIL",         "BAD_REQUEST", "UNAUTHENTICATED", "FORBIDDEN",
      "NOT_FOUND",   "ALREADY_EXISTS", "OFFLINE",   "QUEUE_FULL",      "TOO_LARGE",
      "RATE_LIMITED", "OVERLOADED",  "UNAVAILABLE", "UNSUPPORTED"};
  return kNames[static_cast<std::size_t>(code)];
}

int run_send(SendOptions options) {
  std::signal(SIGPIPE, SIG_IGN);
  if (!valid_utf8(options.text)) throw OperatorError("the text is not UTF-8", kExitUsage);
  options.link.send_only = true;
  client::OutMessage message;
  message.payload = client::text_payload(options.text);
  message.to = options.to;
  message.group = options.group;
  message.client_id = random_id();

  CtlLink link(std::move(options.link));
  const auto deadline = CtlLink::Clock::now() + kTryMax;
  std::string why;
  std::uint64_t id = 0;
  while (CtlLink::Clock::now() < deadline) {
    try {
      if (link.connect_if_due()) id = link.client()->send_message(message, /*offline=*/true);
    } catch (const client::ClientError& error) {
      link.lose(error.what());
    }
    while (auto event = link.next_event()) {
      const auto* answer = std::get_if<client::Answer>(&*event);
      if (answer == nullptr || answer->id != id) continue;
      const int code = told(*answer);
      link.end();
      return code;
    }
    if (std::string note = link.take_note(); !note.empty()) why = std::move(note);
    pollfd polled{link.client() != nullptr ? link.client()->fd() : -1, POLLIN, 0};
    poll(&polled, 1, static_cast<int>(link.wait_ms().count()));
  }
  throw OperatorError((why.empty() ? "the server did not answer" : why) +
                      "; it is not known whether this was sent");
}

}  // namespace ims
