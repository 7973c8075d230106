// imsctl: the operator's tool. Command line, choice of the command, exit code.
//
// Exit codes  0 done; 1 refused, failed, or (verify) problems found; 2 wrong usage.
// Output      results on standard output, one sentence about what went wrong on standard error.
#include <CLI/CLI.hpp>
#include <cstdio>
#include <iostream>
#include <optional>
#include <string>

#include "deploy/ctl_apps.h"
#include "deploy/ctl_chat.h"
#include "deploy/ctl_verify.h"
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
  std::string ttl = "1h";
  std::string retention = "7d";
  ChatOptions chat;
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

  CLI::App* stats = cli.add_subcommand("stats", "the server's counters, one `name value` per line");
  CLI::App* verify = cli.add_subcommand(
      "verify", "check the store: seqs dense, cursors at or below heads, memberships agree");
  verify
      ->add_option("--retention", arguments.retention,
                   "the server's retention; older rows may be gone")
      ->capture_default_str();
  CLI::App* chat = cli.add_subcommand("chat", "a line-mode chat in the terminal; /help inside");
  add_app_options(*chat, arguments);
  chat->add_option("--token", arguments.ignored, "log in with this token");
  chat->add_option("--password", arguments.ignored, "log in with this password; - reads it");
  chat->add_option("--device", arguments.chat.device, "the device's name")->capture_default_str();
  chat->add_option("--server", arguments.chat.server,
                   "ADDR:PORT; without it the data directory's running server");

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
  if (verify->parsed()) {
    return verify_store(arguments.data, parse_duration(arguments.retention, "--retention"));
  }
  if (chat->parsed()) {
    arguments.chat.data = arguments.data;
    arguments.chat.app = arguments.app;
    arguments.chat.user = arguments.user;
    arguments.chat.kid = given(*chat, "--kid");
    arguments.chat.token = given(*chat, "--token");
    arguments.chat.password = read_password(given(*chat, "--password"));
    return run_chat(arguments.chat);
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
