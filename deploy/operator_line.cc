// Choosing between the socket and the store (operator_line.h).
#include "deploy/operator_line.h"

#include <ctime>

#include "logic/store_options.h"
#include "shared/clock.h"

namespace ims {
namespace {

void sleep_ms(long ms) {
  const timespec time{ms / 1000, ms % 1000 * 1'000'000L};
  nanosleep(&time, nullptr);
}

bool is_busy(const logic::StoreError& error) {
  return std::string_view(error.what()).find("in use by another process") != std::string_view::npos;
}

}  // namespace

nlohmann::json OperatorLine::ask(const nlohmann::json& question) {
  nlohmann::json reply = answer(question);
  const auto code = reply.is_object() ? reply.find("code") : reply.end();
  if (!reply.is_object() || code == reply.end() || !code->is_number_integer()) {
    throw OperatorError("the server's answer is none; do imsd and imsctl come from one build?");
  }
  if (*code != 0) throw OperatorError(reply.value("reason", "refused without a reason"));
  return reply;
}

std::unique_ptr<OperatorLine> open_operator_line(const DataDir& data) {
  const std::int64_t deadline_ms = read_clock().mono_ms + OperatorLine::kBusyMsMax;
  // A server that starts holds the store before it has a socket, one that stops the other way
  // round, and another imsctl for a moment: so both are tried in turn.
  while (true) {
    std::string why;
    if (auto line = open_socket_line(data, why)) return line;
    try {
      return open_store_line(data);
    } catch (const logic::StoreError& error) {
      if (!is_busy(error)) throw OperatorError(error.what());
      if (read_clock().mono_ms >= deadline_ms) {
        throw OperatorError(data.root.string() + " is in use by another process, and " + why);
      }
    }
    sleep_ms(50);
  }
}

}  // namespace ims
