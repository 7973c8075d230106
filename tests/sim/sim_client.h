// One connection of one client, as a stock protobuf runtime would drive it, in either edition.
//
// Two moments matter for every byte of the server's: when the kernel took it (took(): the server
// has committed itself, the model hears of it) and when the client read it (read(): the client acts
// on it). A client that is reset in between never reads what the kernel took.
//
// Checked here  the order of frames: the login answer first, each request answered once, heartbeats
//               counted, nothing behind a Disconnect, no frame over the limit.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <set>
#include <string>
#include <string_view>

#include "ims.pb.h"
#include "shared/clock.h"
#include "tests/sim/model.h"
#include "tests/support/sim_io.h"

namespace ims::sim {

struct ClientOptions {
  int tenant = 0;
  std::string user;
  std::string device;
  bool envelope = false;       // edition v1
  bool explicit_mode = false;
  bool send_only = false;
  bool without_ids = false;    // every request has id 0: answers come in order
  bool memory_is_short = false;  // in its world: its login may wait for memory until it times out
  bool store_fails = false;    // in its world: memberships may be in doubt for a moment
  bool forges = false;         // fills fields that are the server's to set
  std::size_t window_bytes = 256 * 1024;
  std::size_t frame_bytes_max = 4096;
  std::int64_t login_timeout_ms = 0;
};

class SimClient {
 public:
  // `now`, the world's clock, outlives it.
  SimClient(Model& model, test::SimIo& io, const Now& now, const ClientOptions& options);

  // ---- what it writes ----
  void connect(const std::string& token);
  void send_message(std::uint64_t token);
  void send_ack(const TimelineName& timeline, std::uint64_t seq, bool with_answer);
  void send_sync(const TimelineName& timeline, const SyncRequest& request);
  void send_group(const GroupRequest& request);
  // `final_list`: LIST when all is quiet, the first of its pages.
  void send_contact(const ContactRequest& contact, bool final_list = false);
  void send_presence(const PresenceRequest& request);
  void send_heartbeat();
  void leave();       // Disconnect
  void half_close();
  void reset();       // loses what it had not read

  // ---- what it gets ----
  void took();        // after each wait() of its gateway: what did the kernel take for it?
  void read();
  void server_died() { over_ = true; }
  // Excuses that the world knows of: a clock that leapt may end connections without a word.
  void excuse() { excused_ = true; }

  const ClientOptions& options() const { return options_; }
  int session() const { return session_; }
  bool logged_in() const { return logged_in_; }
  bool leaving() const { return leaving_; }
  bool over() const { return over_; }
  bool idle() const { return pending_.empty() && fifo_.empty(); }
  std::size_t pending() const { return pending_.size() + fifo_.size(); }
  bool takes_requests() const { return logged_in_ && !leaving_ && !over_ && disconnect_ < 0; }
  test::SimIo::Client handle() const { return handle_; }
  test::SimIo& io() { return io_; }

  // The newest row that it read, by timeline; and what it acknowledged.
  const std::map<TimelineName, std::uint64_t>& newest() const { return newest_; }
  bool acked(const TimelineName& timeline) const;
  // What it was told last of those it watches.
  const std::map<std::string, Presence>& told() const { return told_; }
  void forget_told() { told_.clear(); }
  // Whether an ACK without answer was heard is not known: say it again.
  void doubt_acks() {
    if (options_.without_ids) acked_.clear();
  }
  std::uint64_t inbox_seq() const { return inbox_seq_; }
  // Repeats that an honest client would send later: composed, with client_id, no OK heard.
  std::deque<std::uint64_t>& unanswered() { return unanswered_; }
  // The cursor of the last page of MEMBERS, LIST_MINE or the final LIST.
  bool listing() const { return listing_; }
  std::string describe() const;

 private:
  struct Pending {
    Request::RequestType type{};
    std::uint64_t token = 0;
    TimelineName timeline;
    std::uint64_t seq = 0;
    SyncRequest sync;
    std::size_t recalls_then = 0;
    GroupRequest group;
    ContactRequest contact;
    bool final_list = false;
    PresenceRequest presence;
  };
  static constexpr std::uint64_t kConnectId = 77;

  void write_frame(std::uint64_t id, int kind, const std::string& body);
  void request(Request::RequestType type, const std::string& payload, bool offline,
               Pending pending, bool with_answer = true);
  void on_frame(std::string_view frame);
  void on_login_answer(std::uint64_t id, const ConAck& answer);
  void on_response(std::uint64_t id, const Response& response);
  void on_contact_answer(const Pending& pending, const Response& response);
  void on_presence_answer(const Pending& pending, const Response& response);
  void on_push(const Request& request);
  void on_disconnect(const Disconnect& disconnect);
  void note(const TimelineName& timeline, std::uint64_t seq);
  void finish();

  Model& model_;
  test::SimIo& io_;
  const Now& now_;
  const ClientOptions options_;
  std::int64_t connected_ms_ = 0;
  test::SimIo::Client handle_ = 0;
  int session_ = -1;
  std::uint64_t next_id_ = 1;
  std::map<std::uint64_t, Pending> pending_;
  std::deque<Pending> fifo_;
  std::deque<std::uint64_t> unanswered_;

  std::string stream_;            // taken, not decoded: a cut frame
  std::size_t seen_unread_ = 0;   // of the kernel's unread bytes, those that are in stream_ already
  std::uint64_t taken_bytes_ = 0;
  std::uint64_t read_bytes_ = 0;
  struct Arrived {
    std::uint64_t end;            // of its frame in the stream
    TimelineName timeline;
    std::uint64_t seq;
  };
  std::deque<Arrived> arrived_;   // taken, not read
  std::map<TimelineName, std::uint64_t> newest_;
  std::map<TimelineName, std::uint64_t> acked_;
  std::map<std::string, Presence> told_;
  std::set<std::string> watching_;
  std::set<std::string> watched_;  // ever
  std::uint64_t inbox_seq_ = 0;
  int heartbeats_due_ = 0;
  int disconnect_ = -1;           // the code, once it came
  int refused_ = 0;               // the login answer's code
  bool answered_login_ = false;
  bool logged_in_ = false;
  bool leaving_ = false;          // said Disconnect, or closed its side
  bool over_ = false;
  bool excused_ = false;
  bool listing_ = false;
};

}  // namespace ims::sim
