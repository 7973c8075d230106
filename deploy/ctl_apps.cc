// imsctl's short commands (ctl_apps.h).
#include "deploy/ctl_apps.h"

#include <fmt/format.h>
#include <sys/random.h>

#include <array>
#include <cstdio>
#include <string_view>

#include "deploy/live_counters.h"
#include "deploy/stage_report.h"
#include "logic/base64url.h"
#include "logic/jwt.h"
#include "logic/password.h"
#include "shared/clock.h"
#include "shared/names.h"

namespace ims {
namespace {

using nlohmann::json;

constexpr std::size_t kSecretBytes = 32;

// The text is the secret: who gives it to another program gives exactly the key.
std::string generate_secret() {
  std::array<char, kSecretBytes> bytes;
  if (getrandom(bytes.data(), bytes.size(), 0) != static_cast<ssize_t>(bytes.size())) {
    throw OperatorError("the kernel gave no random bytes");
  }
  return logic::encode_base64url({bytes.data(), bytes.size()});
}

json question(const char* op, const AppName& app) {
  return {{"op", op}, {"org", app.org}, {"appkey", app.appkey}};
}

}  // namespace

void print_line(const std::string& text) {
  std::fwrite(text.data(), 1, text.size(), stdout);
  std::fputc('\n', stdout);
}

int add_app(OperatorLine& line, const AppName& app, const AppKeyChoice& key) {
  json ask = question("app.add", app);
  ask["kid"] = key.kid.value_or("");
  if (key.public_key) {
    ask["alg"] = "EdDSA";
    ask["key"] = *key.public_key;
    line.ask(ask);
    return 0;
  }
  const std::string secret = key.secret ? *key.secret : generate_secret();
  ask["alg"] = "HS256";
  ask["key"] = logic::encode_base64url(secret);
  line.ask(ask);
  print_line(secret);
  return 0;
}

int list_apps(OperatorLine& line) {
  json ask = {{"op", "app.list"}};
  while (true) {
    const json answer = line.ask(ask);
    for (const json& app : answer.at("apps")) {
      std::string text = app.at("org").get<std::string>() + " " +
                         app.at("appkey").get<std::string>();
      for (const json& key : app.at("keys")) {
        const auto kid = key.at("kid").get<std::string>();
        text += " " + key.at("alg").get<std::string>() + (kid.empty() ? "" : ":" + kid);
      }
      print_line(text);
    }
    if (!answer.at("more").get<bool>() || answer.at("apps").empty()) return 0;
    const json& last = answer.at("apps").back();
    ask["after"] = {last.at("org"), last.at("appkey")};
  }
}

int remove_app(OperatorLine& line, const AppName& app, const std::optional<std::string>& kid) {
  json ask = question("app.remove", app);
  if (kid) ask["kid"] = *kid;
  line.ask(ask);
  return 0;
}

SigningKey fetch_key(OperatorLine& line, const AppName& app,
                     const std::optional<std::string>& kid) {
  json ask = question("app.secret", app);
  if (kid) ask["kid"] = *kid;
  const json answer = line.ask(ask);
  std::array<char, logic::kHmacSecretBytesMax> room;
  const auto bytes = logic::decode_base64url(answer.at("key").get<std::string>(), room);
  if (!bytes) throw OperatorError("the server's answer holds no key");
  return {answer.at("kid").get<std::string>(), {room.data(), *bytes}};
}

std::string sign_token(const SigningKey& key, const AppName& app, const std::string& user,
                       std::int64_t ttl_ms) {
  if (!valid_name(user)) throw OperatorError("'" + user + "' is no user name");
  logic::JwtClaims claims;
  claims.user = user;
  claims.org = app.org;
  claims.app = app.appkey;
  claims.kid = key.kid;
  claims.exp_s = (read_clock().wall_ms + ttl_ms + 999) / 1000;
  return logic::sign_jwt_hs256(key.secret, claims);
}

int change_user(OperatorLine& line, const std::string& op, const AppName& app,
                const std::string& user, const std::optional<std::string>& password,
                bool may_exist) {
  json ask = question(op.c_str(), app);
  ask["user"] = user;
  if (password) {
    // Hashed here: the password itself never leaves this process.
    const auto hash = logic::hash_password(*password);
    if (!hash) {
      throw OperatorError("no password: 1 to " + std::to_string(kPasswordBytesMax) +
                          " bytes, and none that looks like a JWT");
    }
    ask["password_hash"] = *hash;
  }
  if (may_exist) ask["may_exist"] = true;
  line.ask(ask);
  return 0;
}

int print_stats(const DataDir& data) {
  const CounterFile file = open_live_counters(data, false);
  for (const std::string& name : file.names()) {
    print_line(name + " " + std::to_string(file.total(name)));
  }
  for (const StageReport::Kind& kind : read_stages(file).kinds) {
    for (const StageReport::Stage& stage : kind.stages) {
      const StageSummary summary = summarize(stage.times);
      const std::string labels = "{kind=\"" + kind.name + "\",stage=\"" + stage.name + "\"} ";
      print_line("ims_stage_seconds_count" + labels + std::to_string(summary.count));
      print_line("ims_stage_seconds_sum" + labels +
                 fmt::format("{}.{:09}", summary.sum_ns / 1'000'000'000,
                             summary.sum_ns % 1'000'000'000));
    }
  }
  return 0;
}

}  // namespace ims
