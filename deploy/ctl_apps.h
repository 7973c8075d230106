// imsctl app, token, user, stats: each asks, prints its result on standard output, and returns the
// exit code. Errors: OperatorError.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "deploy/data_dir.h"
#include "deploy/operator_line.h"

namespace ims {

// On standard output, with its newline.
void print_line(const std::string& text);

struct AppName {
  std::string org;
  std::string appkey;
};

struct AppKeyChoice {
  std::optional<std::string> secret;      // none and no public key: a secret is generated
  std::optional<std::string> public_key;  // base64url
  std::optional<std::string> kid;
};

int add_app(OperatorLine& line, const AppName& app, const AppKeyChoice& key);
int list_apps(OperatorLine& line);
int remove_app(OperatorLine& line, const AppName& app, const std::optional<std::string>& kid);

// The app's first HS256 key, or the named one: what tokens are signed with.
struct SigningKey {
  std::string kid;
  std::string secret;
};
SigningKey fetch_key(OperatorLine& line, const AppName& app, const std::optional<std::string>& kid);
std::string sign_token(const SigningKey& key, const AppName& app, const std::string& user,
                       std::int64_t ttl_ms);

// `op`: user.add, user.passwd, user.remove, user.kick. `may_exist`: one that exists is no error.
int change_user(OperatorLine& line, const std::string& op, const AppName& app,
                const std::string& user, const std::optional<std::string>& password,
                bool may_exist);

// A line per device: DEVICE ("" is the default one), STATE (online, or when it was seen last, UTC),
// INBOX (cursor/newest seq), GROUPS (in which it has a cursor); with `json` the answer itself.
int list_devices(OperatorLine& line, const AppName& app, const std::string& user, bool json);
// Its cursors are gone: its next login is that of a new device.
int forget_device(OperatorLine& line, const AppName& app, const std::string& user,
                  const std::string& device);

// One `name value` per line, summed over threads. No server: what the last one counted, and a note.
int print_stats(const DataDir& data);

}  // namespace ims
