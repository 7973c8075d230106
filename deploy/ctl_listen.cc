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
constexpr std::uint32_t kSyncRows = 500;

class Listener {
 public:
  explicit Listener(ListenOptions options)
      : options_(std::move(options)), link_(std::move(options_.link)) {}
  int run();

 private:
  struct CatchUp {
    std::uint64_t request_id = 0;
    std::vector<client::Push> waiting;
  };

  void on_login(const client::LoginAnswer& answer);
  void ask(const std::string& timeline);
  void on_event(const client::Event& event);
  void on_answer(const client::Answer& answer);
  void on_sync(const std::string& timeline, const client::Answer& answer);
  void on_push(const client::Push& push);
  void on_presence(std::string_view payload);
  bool done() const {
    return (options_.count && printed_ >= *options_.count) ||
           (ends_ && CtlLink::Clock::now() >= *ends_);
  }

  // One row, from a push or a SYNC; false: it was printed before, or enough were.
  template <typename Row>
  void show(const std::string& timeline, const Row& row) {
    if (row.seq != 0 && !shown_.is_new(timeline, row.seq, row.time_ms)) return;
    print(options_.json ? json_of(row) : text_of(row));
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
  std::map<std::string, CatchUp> catching_up_;
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
  link_.end();
  // Asked for so many and the time was over before: a script wants to know.
  return options_.count && printed_ < *options_.count ? kExitRefused : 0;
}

void Listener::on_login(const client::LoginAnswer& answer) {
  catching_up_.clear();
  const bool same_store = answer.epoch == epoch_;
  if (!same_store) shown_.clear();
  epoch_ = answer.epoch;
  if (shown_.all().empty()) {
    // What the cursor has passed is old; from here on nothing may be missed.
    shown_.is_new("", answer.acked_seq, 0);
  } else {
    for (const auto& [timeline, last] : shown_.all()) ask(timeline);
  }
  if (!options_.watch.empty()) {
    presence_id_ = link_.client()->send_request(RequestType::kPresence,
                                                client::presence_payload(options_.watch, true));
  }
}

void Listener::ask(const std::string& timeline) {
  catching_up_[timeline].request_id =
      link_.client()->send_sync(timeline, shown_.all().at(timeline).seq, kSyncRows);
}

void Listener::on_event(const client::Event& event) {
  if (const auto* answer = std::get_if<client::Answer>(&event)) on_answer(*answer);
  if (const auto* push = std::get_if<client::Push>(&event)) on_push(*push);
}

void Listener::on_answer(const client::Answer& answer) {
  if (answer.id == presence_id_) {
    if (answer.code == Code::kOk) return on_presence(answer.payload);
    throw OperatorError("presence: " + escape_text(answer.reason));
  }
  const auto found = std::ranges::find_if(
      catching_up_, [&](const auto& entry) { return entry.second.request_id == answer.id; });
  if (found != catching_up_.end()) on_sync(std::string(found->first), answer);
}

// A refusal (no member any more) ends it as well: what waited is all there is.
void Listener::on_sync(const std::string& timeline, const client::Answer& answer) {
  const auto page = client::decode_sync_result(answer.payload);
  if (answer.code == Code::kOk && page) {
    std::size_t message = 0, group = 0, contact = 0;
    constexpr std::uint64_t kNone = UINT64_MAX;
    while (!done()) {  // the three lists together are the rows
      const auto seq_at = [](const auto& rows, std::size_t at) {
        return at < rows.size() ? rows[at].seq : kNone;
      };
      const std::uint64_t m = seq_at(page->messages, message);
      const std::uint64_t g = seq_at(page->group_events, group);
      const std::uint64_t c = seq_at(page->contact_events, contact);
      if (m == kNone && g == kNone && c == kNone) break;
      if (m <= g && m <= c) {
        show(timeline, page->messages[message++]);
      } else if (g <= c) {
        show(timeline, page->group_events[group++]);
      } else {
        show(timeline, page->contact_events[contact++]);
      }
    }
    if (page->more && !done()) return ask(timeline);
  }
  const auto waiting = std::move(catching_up_[timeline].waiting);
  catching_up_.erase(timeline);
  for (const client::Push& push : waiting) on_push(push);
}

void Listener::on_push(const client::Push& push) {
  if (done()) return;
  const auto row_of = [&](const std::string& timeline, const auto& row) {
    const auto late = catching_up_.find(timeline);
    if (row.seq != 0 && late != catching_up_.end()) {
      late->second.waiting.push_back(push);
    } else {
      show(timeline, row);
    }
  };
  if (push.type == RequestType::kMessage) {
    if (const auto row = client::decode_in_message(push.payload)) row_of(row->group, *row);
  } else if (push.type == RequestType::kGroup) {
    if (const auto row = client::decode_group_event(push.payload)) row_of(row->group, *row);
  } else if (push.type == RequestType::kContact) {
    if (const auto row = client::decode_contact_event(push.payload)) row_of("", *row);
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
  options.link.ack = AckMode::kAuto;
  return Listener(std::move(options)).run();
}

}  // namespace ims
