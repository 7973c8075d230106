// imsctl chat: a chat in the terminal, a line at a time.
//
//   @bob hello        to a user                #team hello          to a group
//   /create team bob  /join team  /leave team  /members team  /groups  /help  /quit
//
// What was missed is shown at login. Each row is shown once and then acknowledged (EXPLICIT). A
// line that was not answered when a connection broke is sent again with the same client_id, so that
// it is stored once. Reconnects by itself, waiting longer each time.
//
// Threads  One, and blocking: poll() over the terminal and the socket.
// Errors   OperatorError where the login is refused.
#pragma once

#include <optional>
#include <string>

#include "deploy/ctl_apps.h"
#include "deploy/data_dir.h"

namespace ims {

struct ChatOptions {
  DataDir data;
  AppName app;
  std::string user;
  std::string device = "imsctl";
  std::string server;                   // ADDR:PORT; empty: asked of the running server
  std::optional<std::string> token;     // none, and no password: made with the app's secret
  std::optional<std::string> password;
  std::optional<std::string> kid;
};

int run_chat(const ChatOptions& options);

}  // namespace ims
