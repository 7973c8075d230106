// imsctl user devices (ctl_apps.h).
#include <algorithm>
#include <array>
#include <cstdint>
#include <cstdio>
#include <ctime>
#include <string>
#include <vector>

#include "deploy/ctl_apps.h"
#include "deploy/line_editor.h"

namespace ims {
namespace {

using nlohmann::json;

std::string utc_text(std::int64_t time_ms) {
  const std::time_t seconds = time_ms / 1000;
  std::tm utc{};
  gmtime_r(&seconds, &utc);
  char text[sizeof "2026-01-01T00:00:00Z+"];
  return {text, std::strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", &utc)};
}

json about_user(const char* op, const AppName& app, const std::string& user) {
  return {{"op", op}, {"org", app.org}, {"appkey", app.appkey}, {"user", user}};
}

}  // namespace

int list_devices(OperatorLine& line, const AppName& app, const std::string& user, bool as_json) {
  json answer = line.ask(about_user("user.devices", app, user));
  if (as_json) {
    answer.erase("code");
    print_line(answer.dump());
    return 0;
  }
  std::vector<std::array<std::string, 4>> rows = {{"DEVICE", "STATE", "INBOX", "GROUPS"}};
  const std::string head = std::to_string(answer.at("inbox_seq").get<std::uint64_t>());
  for (const json& device : answer.at("devices")) {
    const std::string name = device.at("device").get<std::string>();
    rows.push_back({name.empty() ? "\"\"" : name,
                    device.at("online").get<bool>()
                        ? "online"
                        : utc_text(device.at("last_seen_ms").get<std::int64_t>()),
                    std::to_string(device.at("acked_seq").get<std::uint64_t>()) + "/" + head,
                    std::to_string(device.at("groups").get<std::uint32_t>())});
  }
  std::array<std::size_t, 3> widths{};
  for (const auto& row : rows) {
    for (std::size_t i = 0; i < widths.size(); ++i) {
      widths[i] = std::max(widths[i], width_of(row[i]));
    }
  }
  for (const auto& row : rows) {
    std::string text;
    for (std::size_t i = 0; i < widths.size(); ++i) {
      text += row[i] + std::string(widths[i] + 2 - width_of(row[i]), ' ');
    }
    print_line(text + row[3]);
  }
  return 0;
}

int forget_device(OperatorLine& line, const AppName& app, const std::string& user,
                  const std::string& device) {
  json ask = about_user("user.forget", app, user);
  ask["device"] = device;
  line.ask(ask);
  return 0;
}

}  // namespace ims
