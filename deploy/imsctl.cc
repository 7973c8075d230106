// imsctl: the operator's tool. Command line, choice of the command, exit code.
//
// Exit codes  0 done; 1 refused, failed, or (verify) problems found; 2 wrong usage.
// Output      results on standard output, one sentence about what went wrong on standard error.
#include <CLI/CLI.hpp>
#include <charconv>
#include <cstdio>
#include <cstdlib>
#include <iostream>
#include <iterator>
#include <optional>
#include <string>

#include "deploy/ctl_apps.h"
#include "deploy/ctl_chat.h"
#include "deploy/ctl_listen.h"
#include "deploy/ctl_send.h"
#include "deploy/ctl_verify.h"
#include "deploy/ctl_watch.h"
#include "deploy/operator_line.h"
#include "shared/config_value.h"
#include "shared/log.h"

namespace ims {
namespace {

constexpr char kFooter[] =
    "Works with a running server (through DIR/run/admin.sock) and without one (opens DIR/store,\n"
    "creating DIR if absent).\n"
    "Exit codes: 0 done; 1 refused, failed, or problems found; 2 wrong usage.";

// What the command line said.
struct Arguments {
  DataDir data{"./data"};
  AppName app;
  std::string user;
  std::string ignored;  // where optional texts are parsed to; see given()
  bool may_exist = false;
  bool as_json = false;
  std::string ttl = "1h";
  std::string retention = "7d";
  LinkOptions link;
  SendOptions send;
  ListenOptions listen;
  std::string seconds;
  std::string count;
  std::string kind;
  bool once = false;
};

std::int64_t parse_duration(const std::string& text, const char* flag) {
  const auto ms = parse_number(KeyKind::kDuration, text);
  if (!ms || *ms == 0 || *ms > 100ull * 365 * 86'400'000) {
    throw OperatorError(
        std::string(flag) + " takes a time as 30s, 10m, 1h or 7d, not '" + text + "'", kExitUsage);
  }
  return static_cast<std::int64_t>(*ms);
}

// CLI11 takes an empty value for none given: a removed app instead of a removed key, a generated
// secret instead of an error. So optional texts are read from the option itself.
std::optional<std::string> given(const CLI::App& command, const char* flag) {
  const CLI::Option* option = command.get_option(flag);
  if (option->count() == 0) return std::nullopt;
  return option->results().empty() ? std::string() : option->results().back();
}

// "-" reads it from standard input, so that it is in no list of processes.
std::optional<std::string> read_password(const std::optional<std::string>& password) {
  if (!password || *password != "-") return password;
  std::string line;
  std::getline(std::cin, line);
  return line;
}

CLI::App* add_app_command(CLI::App& parent, Arguments& arguments, const char* name,
                          const char* help) {
  CLI::App* command = parent.add_subcommand(name, help);
  command->add_option("ORG", arguments.app.org, "the organisation")->required();
  command->add_option("APPKEY", arguments.app.appkey, "the app's key")->required();
  return command;
}

CLI::App* add_user_command(CLI::App& parent, Arguments& arguments, const char* name,
                           const char* help) {
  CLI::App* command = add_app_command(parent, arguments, name, help);
  command->add_option("USER", arguments.user, "the user's name")->required();
  return command;
}

void add_password(CLI::App& command, Arguments& arguments) {
  command.add_option("--password", arguments.ignored,
                     "the password; - reads it from standard input");
}

void add_app_options(CLI::App& command, Arguments& arguments) {
  command.add_option("--org", arguments.app.org, "the organisation")->required();
  command.add_option("--appkey", arguments.app.appkey, "the app's key")->required();
  command.add_option("--user", arguments.user, "the user's name")->required();
  command.add_option("--kid", arguments.ignored, "sign with the app's key of this name");
}

void add_link_options(CLI::App& command, Arguments& arguments) {
  add_app_options(command, arguments);
  command.add_option("--token", arguments.ignored, "log in with this token");
  command.add_option("--password", arguments.ignored, "log in with this password; - reads it");
  command.add_option("--server", arguments.link.server,
                     "ADDR:PORT; without it the data directory's running server");
}

void add_device(CLI::App& command, Arguments& arguments) {
  command.add_option("--device", arguments.link.device, "the device's name")
      ->capture_default_str();
}

void add_watch_options(CLI::App& command, Arguments& arguments) {
  command.add_flag("--json", arguments.as_json, "one JSON object per line");
}

LinkOptions link_options(const CLI::App& command, const Arguments& arguments) {
  LinkOptions link = arguments.link;
  link.data = arguments.data;
  link.app = arguments.app;
  link.user = arguments.user;
  link.kid = given(command, "--kid");
  link.token = given(command, "--token");
  link.password = read_password(given(command, "--password"));
  return link;
}

// "30", "2.5", or with a unit.
std::int64_t parse_seconds(const std::string& text, const char* flag) {
  if (text.find_first_not_of("0123456789.") != std::string::npos || text.empty()) {
    return parse_duration(text, flag);
  }
  char* end = nullptr;
  const double seconds = std::strtod(text.c_str(), &end);
  if (*end != '\0' || seconds > 1e9) {
    throw OperatorError(std::string(flag) + " takes a number", kExitUsage);
  }
  return static_cast<std::int64_t>(seconds * 1000);
}

std::int64_t parse_interval(const std::string& text) {
  const std::int64_t ms = parse_seconds(text, "--interval");
  if (ms < 1) throw OperatorError("--interval takes at least 1ms", kExitUsage);
  return ms;
}

std::uint64_t parse_count(const std::string& text) {
  std::uint64_t count = 0;
  const char* const end = text.data() + text.size();
  const auto read = std::from_chars(text.data(), end, count);  // takes no sign
  if (read.ec != std::errc() || read.ptr != end || count == 0) {
    throw OperatorError("--count takes a number from 1 on, not '" + text + "'", kExitUsage);
  }
  return count;
}

int send_text(const CLI::App& command, Arguments& arguments) {
  SendOptions& send = arguments.send;
  if (send.to.empty() == send.group.empty()) {
    throw OperatorError("send takes --to USER or --group GROUP", kExitUsage);
  }
  if (send.text == "-") {
    send.text.assign(std::istreambuf_iterator<char>(std::cin), {});
    if (send.text.ends_with('\n')) send.text.pop_back();
  }
  send.link = link_options(command, arguments);
  return run_send(send);
}

int run(int argc, char** argv) {
  Arguments arguments;
  std::string data = arguments.data.root.string();
  CLI::App cli("imsctl operates an imsd over its data directory.", "imsctl");
  cli.footer(kFooter);
  cli.require_subcommand(1);
  cli.add_option("--data", data, "the server's data directory")->capture_default_str();

  CLI::App* app = cli.add_subcommand("app", "apps (tenants) and the keys of their tokens");
  app->require_subcommand(1);
  CLI::App* app_add = add_app_command(*app, arguments, "add",
                                      "create an app, or add a key to it; prints the secret");
  CLI::Option* secret = app_add->add_option("--secret", arguments.ignored,
                                            "the HS256 secret; without it one is generated");
  app_add->add_option("--public-key", arguments.ignored,
                      "an Ed25519 public key in base64url, for EdDSA tokens")
      ->excludes(secret);
  app_add->add_option("--kid", arguments.ignored, "the key's name; tokens say it as kid");
  CLI::App* app_list = app->add_subcommand("list", "one app per line: ORG APPKEY KEY...");
  CLI::App* app_remove = add_app_command(*app, arguments, "remove",
                                         "remove an app and end its users' sessions");
  app_remove->add_option("--kid", arguments.ignored, "remove the key of this name alone");

  CLI::App* token = cli.add_subcommand("token", "print a login token (JWT, HS256)");
  add_app_options(*token, arguments);
  token->add_option("--ttl", arguments.ttl, "valid for")->capture_default_str();

  CLI::App* user = cli.add_subcommand("user", "users");
  user->require_subcommand(1);
  CLI::App* user_add = add_user_command(*user, arguments, "add", "create a user");
  add_password(*user_add, arguments);
  user_add->add_flag("--may-exist", arguments.may_exist, "no error where the user exists already");
  CLI::App* user_passwd = add_user_command(*user, arguments, "passwd",
                                           "set a password; without --password it is read");
  add_password(*user_passwd, arguments);
  CLI::App* user_remove = add_user_command(*user, arguments, "remove",
                                           "remove a user's password and end the sessions");
  CLI::App* user_kick = add_user_command(*user, arguments, "kick", "end a user's sessions");

  CLI::App* user_devices = add_user_command(
      *user, arguments, "devices",
      "the devices that the server knows: online or last seen, inbox cursor/newest seq, groups");
  CLI::Option* as_json = user_devices->add_flag("--json", arguments.as_json, "one JSON object");
  user_devices
      ->add_option("--forget", arguments.ignored,
                   "forget this device (\"\": the default one): its next login is a new device's")
      ->excludes(as_json);

  CLI::App* stats = cli.add_subcommand("stats", "the server's counters, one `name value` per line");
  CLI::App* latency = cli.add_subcommand(
      "latency", "where each message's time goes in the server: quantiles by stage");
  latency->add_option("--interval", arguments.seconds, "of this time from now; else of its run");
  add_watch_options(*latency, arguments);
  latency->add_option("--kind", arguments.kind, "login, relayed, stored, group or other");
  CLI::App* top = cli.add_subcommand(
      "top", "what the server does, per second: threads, messages, sends, rings, commits");
  top->add_option("--interval", arguments.seconds, "the time between two looks; else 1 second");
  add_watch_options(*top, arguments);
  top->add_flag("--once", arguments.once, "one look, then the end");
  CLI::App* slow = cli.add_subcommand(
      "slow", "the slowest of the followed messages of the last ten minutes, with their stages");
  add_watch_options(*slow, arguments);
  slow->add_option("--count", arguments.count, "so many; else 20");
  slow->add_option("--kind", arguments.kind, "login, relayed, stored, group or other");
  CLI::App* verify = cli.add_subcommand(
      "verify", "check the store: seqs dense, cursors at or below heads, memberships agree");
  verify
      ->add_option("--retention", arguments.retention,
                   "the server's retention; older rows may be gone")
      ->capture_default_str();
  CLI::App* chat = cli.add_subcommand("chat", "a line-mode chat in the terminal; /help inside");
  add_link_options(*chat, arguments);
  add_device(*chat, arguments);
  CLI::App* send = cli.add_subcommand("send", "store a text for a user or group; prints its seq");
  add_link_options(*send, arguments);
  CLI::Option* to = send->add_option("--to", arguments.send.to, "the user who gets it");
  send->add_option("--group", arguments.send.group, "the group that gets it")->excludes(to);
  send->add_option("TEXT", arguments.send.text, "the text; - reads it from standard input")
      ->required();
  CLI::App* listen = cli.add_subcommand(
      "listen", "print a user's messages, events and presence as they come, one per line");
  add_link_options(*listen, arguments);
  add_device(*listen, arguments);
  listen->add_flag("--json", arguments.listen.json, "one JSON object per line");
  listen->add_option("--count", arguments.count, "end after so many lines");
  listen->add_option("--seconds", arguments.seconds,
                     "end after that time; with --count: fail if there were fewer by then");
  listen->add_option("--watch", arguments.listen.watch, "friends whose presence is told");

  try {
    cli.parse(argc, argv);
  } catch (const CLI::CallForHelp& help) {
    return cli.exit(help);
  } catch (const CLI::CallForAllHelp& help) {
    return cli.exit(help);
  } catch (const CLI::ParseError& error) {
    std::fprintf(stderr, "imsctl: %s (imsctl --help)\n", error.what());
    return kExitUsage;
  }
  arguments.data.root = data;
  const auto line = [&] { return open_operator_line(arguments.data); };

  if (stats->parsed()) return print_stats(arguments.data);
  if (latency->parsed()) {
    LatencyOptions options{arguments.data, arguments.kind, std::nullopt, arguments.as_json};
    if (given(*latency, "--interval")) options.interval_ms = parse_interval(arguments.seconds);
    return run_latency(options);
  }
  if (top->parsed()) {
    TopOptions options{.data = arguments.data, .once = arguments.once, .json = arguments.as_json};
    if (given(*top, "--interval")) options.interval_ms = parse_interval(arguments.seconds);
    return run_top(options);
  }
  if (slow->parsed()) {
    SlowOptions options{.data = arguments.data, .kind = arguments.kind, .json = arguments.as_json};
    if (given(*slow, "--count")) options.count = parse_count(arguments.count);
    return run_slow(options);
  }
  if (verify->parsed()) {
    return verify_store(arguments.data, parse_duration(arguments.retention, "--retention"));
  }
  if (chat->parsed()) return run_chat(link_options(*chat, arguments));
  if (send->parsed()) return send_text(*send, arguments);
  if (listen->parsed()) {
    arguments.listen.link = link_options(*listen, arguments);
    if (given(*listen, "--count")) arguments.listen.count = parse_count(arguments.count);
    if (given(*listen, "--seconds")) {
      arguments.listen.time_ms = parse_seconds(arguments.seconds, "--seconds");
    }
    return run_listen(arguments.listen);
  }
  if (token->parsed()) {
    const std::int64_t ttl_ms = parse_duration(arguments.ttl, "--ttl");
    const SigningKey key = fetch_key(*line(), arguments.app, given(*token, "--kid"));
    const std::string made = sign_token(key, arguments.app, arguments.user, ttl_ms);
    std::printf("%s\n", made.c_str());
    return 0;
  }
  if (app_add->parsed()) {
    const AppKeyChoice key{given(*app_add, "--secret"), given(*app_add, "--public-key"),
                           given(*app_add, "--kid")};
    return add_app(*line(), arguments.app, key);
  }
  if (app_list->parsed()) return list_apps(*line());
  if (app_remove->parsed()) {
    return remove_app(*line(), arguments.app, given(*app_remove, "--kid"));
  }
  const auto change = [&](const char* op, const std::optional<std::string>& password) {
    return change_user(*line(), op, arguments.app, arguments.user, read_password(password),
                       arguments.may_exist);
  };
  if (user_add->parsed()) return change("user.add", given(*user_add, "--password"));
  if (user_passwd->parsed()) {
    return change("user.passwd", given(*user_passwd, "--password").value_or("-"));
  }
  if (user_remove->parsed()) return change("user.remove", std::nullopt);
  if (user_kick->parsed()) return change("user.kick", std::nullopt);
  if (user_devices->parsed()) {
    if (const auto device = given(*user_devices, "--forget")) {
      return forget_device(*line(), arguments.app, arguments.user, *device);
    }
    return list_devices(*line(), arguments.app, arguments.user, arguments.as_json);
  }
  return kExitUsage;
}

}  // namespace
}  // namespace ims

int main(int argc, char** argv) {
  ims::set_log_level(ims::LogLevel::kError);
  try {
    return ims::run(argc, argv);
  } catch (const ims::OperatorError& error) {
    std::fprintf(stderr, "imsctl: %s\n", error.what());
    return error.exit_code();
  } catch (const std::exception& error) {
    std::fprintf(stderr, "imsctl: %s\n", error.what());
    return ims::kExitRefused;
  }
}
