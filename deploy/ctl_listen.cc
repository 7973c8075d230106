// A user's rows and pushes for a script (ctl_listen.h).
#include "deploy/ctl_listen.h"

#include <poll.h>

#include <algorithm>
#include <csignal>
#include <cstdio>
#include <map>
#include <utility>

#include "deploy/chat_text.h"
#include "deploy/event_json.h"
#include "deploy/shown_rows.h"

namespace ims {
namespace {

using namespace std::chrono_literals;
constexpr std::size_t kRowsPerAckMax = 64;  // well below the server's push_window
constexpr CtlLink::Milliseconds kLastAnswerMsMax = 2s;

class Listener {
 public:
  explicit Listener(ListenOptions options)
      : options_(std::move(options)), link_(std::move(options_.link)) {}
  int run();

 private:
  void on_login(const client::LoginAnswer& answer);
  void on_event(const client::Event& event);
  void on_answer(const client::Answer& answer);
  void on_push(const client::Push& push);
  void on_presence(std::string_view payload);
  void acknowledge();
  void end();
  bool done() const {
    return (options_.count && printed_ >= *options_.count) ||
           (ends_ && CtlLink::Clock::now() >= *ends_);
  }

  template <typename Row>
  void show(const std::string& timeline, const Row& row) {
    if (row.seq == 0 || shown_.is_new(timeline, row.seq, row.time_ms)) {
      print(options_.json ? json_of(row) : text_of(row));
    }
    if (row.seq == 0) return;
    unacked_[timeline] = row.seq;
    if (++unacked_rows_ >= kRowsPerAckMax) acknowledge();
  }
  std::string text_of(const client::InMessage& row) const {
    return format_message(row, link_.options().user);
  }
  static std::string text_of(const client::GroupEvent& row) { return format_group_event(row); }
  static std::string text_of(const client::ContactEvent& row) { return format_contact_event(row); }
  void print(const std::string& line);

  ListenOptions options_;
  CtlLink link_;
  std::optional<CtlLink::Clock::time_point> ends_;
  ShownRows shown_;
  std::string epoch_;
  std::map<std::string, std::uint64_t> unacked_;  // by timeline: the last row shown
  std::size_t unacked_rows_ = 0;
  std::uint64_t presence_id_ = 0;
  std::uint64_t printed_ = 0;
};

int Listener::run() {
  if (options_.time_ms) {
    ends_ = CtlLink::Clock::now() + CtlLink::Milliseconds(*options_.time_ms);
  }
  while (!done()) {
    try {
      if (const auto answer = link_.connect_if_due()) on_login(*answer);
      while (!done()) {
        const auto event = link_.next_event();
        if (!event) break;
        on_event(*event);
      }
      acknowledge();
    } catch (const client::ClientError& error) {
      link_.lose(error.what());
    }
    link_.tend();
    if (const std::string note = link_.take_note(); !note.empty()) {
      std::fprintf(stderr, "imsctl: not connected (%s), trying again\n", note.c_str());
    }
    if (done()) break;
    CtlLink::Milliseconds wait = link_.wait_ms();
    if (ends_) {
      wait = std::min(wait, std::chrono::ceil<CtlLink::Milliseconds>(*ends_ -
                                                                     CtlLink::Clock::now()));
    }
    pollfd polled{link_.client() != nullptr ? link_.client()->fd() : -1, POLLIN, 0};
    poll(&polled, 1, static_cast<int>(std::max<std::int64_t>(wait.count(), 0)));
  }
  end();
  // Asked for so many and the time was over before: a script wants to know.
  return options_.count && printed_ < *options_.count ? kExitRefused : 0;
}

void Listener::on_login(const client::LoginAnswer& answer) {
  // What was not acknowledged is pushed again.
  unacked_.clear();
  unacked_rows_ = 0;
  if (answer.epoch != epoch_) shown_.clear();  // another store: its rows are others
  epoch_ = answer.epoch;
  if (!options_.watch.empty()) {
    presence_id_ = link_.client()->send_request(RequestType::kPresence,
                                                client::presence_payload(options_.watch, true));
  }
}

void Listener::on_event(const client::Event& event) {
  if (const auto* answer = std::get_if<client::Answer>(&event)) on_answer(*answer);
  if (const auto* push = std::get_if<client::Push>(&event)) on_push(*push);
}

void Listener::on_answer(const client::Answer& answer) {
  if (answer.id != presence_id_) return;
  if (answer.code != Code::kOk) throw OperatorError("presence: " + escape_text(answer.reason));
  on_presence(answer.payload);
}

void Listener::on_push(const client::Push& push) {
  if (done()) return;
  if (push.type == RequestType::kMessage) {
    if (const auto row = client::decode_in_message(push.payload)) show(row->group, *row);
  } else if (push.type == RequestType::kGroup) {
    if (const auto row = client::decode_group_event(push.payload)) show(row->group, *row);
  } else if (push.type == RequestType::kContact) {
    if (const auto row = client::decode_contact_event(push.payload)) show("", *row);
  } else if (push.type == RequestType::kPresence) {
    on_presence(push.payload);
  }
}

void Listener::on_presence(std::string_view payload) {
  const auto result = client::decode_presence_result(payload);
  if (!result) return;
  for (const client::Presence& presence : *result) {
    if (!done()) print(options_.json ? json_of(presence) : format_presence(presence));
  }
}

// Only what was printed: a connection that breaks, or this process, loses nothing.
void Listener::acknowledge() {
  if (link_.client() == nullptr) return;
  for (const auto& [timeline, seq] : unacked_) link_.client()->send_ack(timeline, seq);
  unacked_.clear();
  unacked_rows_ = 0;
}

// The answer to an ACK says that those before it arrived: closing may lose what is under way.
void Listener::end() {
  try {
    acknowledge();
    if (client::Client* const client = link_.client()) {
      const auto id = client->send_request(RequestType::kAck, client::ack_payload("", 0));
      const auto until = CtlLink::Clock::now() + kLastAnswerMsMax;
      for (bool answered = false; !answered && CtlLink::Clock::now() < until;) {
        const auto event = client->poll(100ms);
        if (!event) continue;
        const auto* answer = std::get_if<client::Answer>(&*event);
        answered = (answer != nullptr && answer->id == id) ||
                   std::holds_alternative<client::Farewell>(*event);
      }
    }
  } catch (const client::ClientError&) {
    // They are pushed again to the next one.
  }
  link_.end();
}

void Listener::print(const std::string& line) {
  std::fputs(line.c_str(), stdout);
  std::fputc('\n', stdout);
  // At once, for a script that reads a pipe; one that has gone ends this.
  if (std::fflush(stdout) != 0) throw OperatorError("standard output takes no text");
  ++printed_;
}

}  // namespace

int run_listen(ListenOptions options) {
  std::signal(SIGPIPE, SIG_IGN);
  options.link.ack = AckMode::kExplicit;
  return Listener(std::move(options)).run();
}

}  // namespace ims
