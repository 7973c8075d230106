// How an operation is shown (operation.h).
#include "tests/model/operation.h"

namespace ims::model {
namespace {

template <typename Inner>
std::string inner_text(const Request& request) {
  Inner inner;
  if (!inner.ParseFromString(request.payload())) return "<does not decode>";
  std::string text = inner.ShortDebugString();
  if (text.size() > 400) text = text.substr(0, 400) + "...";
  return text;
}

std::string request_text(const Request& request) {
  std::string text = request.opts_size() > 0 ? request.opts(0).ShortDebugString() + " " : "";
  if (request.opts_size() > 1) text += std::to_string(request.opts_size()) + " opts ";
  switch (request.type()) {
    case Request::MESSAGE:
      return text + "MESSAGE " + inner_text<Message>(request);
    case Request::CONTACT: {
      ContactRequest ask;
      return text + "CONTACT " +
             (ask.ParseFromString(request.payload()) && ask.op() == 0 ? "LIST " : "") +
             inner_text<ContactRequest>(request);
    }
    case Request::GROUP:
      return text + "GROUP " + inner_text<GroupRequest>(request);
    case Request::ACK:
      return text + "ACK " + inner_text<AckRequest>(request);
    case Request::SYNC:
      return text + "SYNC " + inner_text<SyncRequest>(request);
    case Request::PRESENCE:
      return text + "PRESENCE " + inner_text<PresenceRequest>(request);
    default:
      return text + "request of type " + std::to_string(request.type());
  }
}

}  // namespace

std::string Operation::text() const {
  const std::string one = "client " + std::to_string(client) + " (" + std::to_string(who.tenant) +
                          "@" + who.user + "/" + who.device +
                          (who.explicit_mode ? " explicit" : " auto") +
                          (who.send_only ? " send_only" : "") + (envelope ? " v1" : " v2") + ")";
  switch (kind) {
    case Kind::kConnect:
      return one + " connects" + (wrong_secret ? " with a wrong token" : "");
    case Kind::kRequest:
      return one + (with_id ? ": " : " id 0: ") + request_text(request);
    case Kind::kLeave:
      return one + " leaves";
    case Kind::kHalfClose:
      return one + " closes its side";
    case Kind::kReset:
      return one + " resets";
    case Kind::kRestart:
      return "restart";
    case Kind::kCrash:
      return "crash";
    case Kind::kWait:
      return "wait " + std::to_string(after_ms) + " ms";
  }
  return {};
}

}  // namespace ims::model
