/** What simulated devices measure: pure functions of time, profile and randomness. */
import { gaussian, type Random } from "./random.ts";

export type Kind = "climate" | "motion" | "tracker";

/** What makes one device differ from the next. Temperatures in °C, positions in degrees (WGS 84). */
export type Profile = {
  readonly kind: Kind;
  readonly meanTemperature: number;
  /** Half of the difference between the day's warmest and coldest moment. */
  readonly dailySwing: number;
  readonly noise: number;
  readonly meanHumidity: number;
  readonly latitude: number;
  readonly longitude: number;
  /** When the battery was full, epoch ms, and how long it lasts. */
  readonly batteryFullAtMs: number;
  readonly batteryLifeMs: number;
  readonly signalDbm: number;
};

export type Settings = { readonly unit: "C" | "F" };
export type Readings = Record<string, number | boolean | string>;

const dayMs = 86_400_000;

/** One message's readings at `nowMs`. */
export function readingsAt(profile: Profile, settings: Settings, nowMs: number, random: Random): Readings {
  const power = {
    battery: round(batteryAt(profile, nowMs), 1),
    signal: Math.round(gaussian(random, profile.signalDbm, 2)),
  };
  switch (profile.kind) {
    case "climate": {
      const celsius = temperatureAt(profile, nowMs) + gaussian(random, 0, profile.noise);
      const humidity = clamp(
        profile.meanHumidity - 2 * (celsius - profile.meanTemperature) + gaussian(random, 0, 1),
        1,
        100,
      );
      return {
        temperature: round(inUnit(celsius, settings.unit), 2),
        humidity: round(humidity, 1),
        dewPoint: round(inUnit(dewPoint(celsius, humidity), settings.unit), 2),
        unit: settings.unit,
        ...power,
      };
    }
    case "motion":
      return { motion: random() < 0.1 + 0.2 * daylight(profile, nowMs), ...power };
    case "tracker": {
      const { latitude, longitude, speed } = positionAt(profile, nowMs);
      return { latitude: round(latitude, 5), longitude: round(longitude, 5), speed: round(speed, 1), ...power };
    }
  }
}

/** A round trip of about 4 km in an hour; speed in km/h. */
export function positionAt(profile: Profile, nowMs: number): { latitude: number; longitude: number; speed: number } {
  const angle = ((nowMs % 3_600_000) / 3_600_000) * 2 * Math.PI;
  const degrees = 0.0057;
  return {
    latitude: profile.latitude + degrees * Math.sin(angle),
    longitude:
      profile.longitude + (degrees * Math.cos(angle)) / Math.max(0.2, Math.cos((profile.latitude * Math.PI) / 180)),
    speed: 4,
  };
}

/** °C without noise: warmest at three in the afternoon of the device's longitude. */
export function temperatureAt(profile: Profile, nowMs: number): number {
  const localHour = ((nowMs / dayMs) * 24 + profile.longitude / 15) % 24;
  return profile.meanTemperature + profile.dailySwing * Math.cos(((localHour - 15) / 24) * 2 * Math.PI);
}

/** °C at which the air's water condenses (Magnus formula with Sonntag's 1990 constants). */
export function dewPoint(celsius: number, humidityPercent: number): number {
  const gamma = Math.log(humidityPercent / 100) + (17.62 * celsius) / (243.12 + celsius);
  return (243.12 * gamma) / (17.62 - gamma);
}

/** Percent; a battery that is empty is changed. */
export function batteryAt({ batteryFullAtMs, batteryLifeMs }: Profile, nowMs: number): number {
  const used = ((nowMs - batteryFullAtMs) % batteryLifeMs) / batteryLifeMs;
  return 100 * (1 - (used < 0 ? used + 1 : used));
}

function daylight(profile: Profile, nowMs: number): number {
  const localHour = ((nowMs / dayMs) * 24 + profile.longitude / 15 + 24) % 24;
  return localHour > 7 && localHour < 22 ? 1 : 0;
}

function inUnit(celsius: number, unit: "C" | "F"): number {
  return unit === "C" ? celsius : celsius * 1.8 + 32;
}

function clamp(value: number, low: number, high: number): number {
  return Math.min(high, Math.max(low, value));
}

function round(value: number, digits: number): number {
  return Number(value.toFixed(digits));
}
