// imsctl's connection as one user, made again with a longer wait each time it is lost: what chat,
// send and listen have in common.
//
// Threads  One. Nothing blocks but connecting and the login.
// Errors   OperatorError where trying again is of no use: a wrong login, kicked, replaced.
#pragma once

#include <chrono>
#include <memory>
#include <optional>
#include <string>

#include "deploy/ctl_apps.h"
#include "deploy/data_dir.h"
#include "shared/client/client.h"

namespace ims {

struct LinkOptions {
  DataDir data;
  AppName app;
  std::string user;
  std::string device = "imsctl";
  std::string server;                 // ADDR:PORT; empty: asked of the running server
  std::optional<std::string> token;   // none, and no password: made with the app's secret
  std::optional<std::string> password;
  std::optional<std::string> kid;
  AckMode ack = AckMode::kAuto;
  bool send_only = false;
};

class CtlLink {
 public:
  using Clock = std::chrono::steady_clock;
  using Milliseconds = std::chrono::milliseconds;

  explicit CtlLink(LinkOptions options);

  const LinkOptions& options() const noexcept { return options_; }
  const std::string& server() const noexcept { return server_; }
  client::Client* client() noexcept { return client_.get(); }  // null: not connected

  // Connects where that is due; the answer of a login that made a connection.
  std::optional<client::LoginAnswer> connect_if_due();
  // The next event, nothing where none is there. A Disconnect and a broken connection lose it.
  std::optional<client::Event> next_event();
  // Heartbeats; a server that is silent in spite of them is lost.
  void tend();
  // The connection is of no more use.
  void lose(const std::string& why, Milliseconds at_least = Milliseconds(0));
  void end();  // says good-bye

  // How long poll() may wait for, at most a second.
  Milliseconds wait_ms() const;
  Clock::time_point last_heard() const noexcept { return last_heard_; }
  std::string take_note();  // why it was lost, once per loss; empty: nothing to say

 private:
  void on_refusal(const client::LoginAnswer& answer);
  void on_farewell(const client::Farewell& farewell);

  const LinkOptions options_;
  std::string server_;
  std::optional<SigningKey> key_;
  std::unique_ptr<client::Client> client_;
  Clock::time_point next_connect_ = Clock::now();
  Milliseconds delay_;
  bool said_lost_ = false;
  std::string note_;
  Clock::time_point last_heard_{};
  Clock::time_point last_heartbeat_{};
};

}  // namespace ims
