"""Turns stars about the z axis by the parameter `angle`, in degrees, and draws them from above.

The working folder has request.json, inputs/stars.csv and this file. What is asked for belongs into outputs/.
"""

import csv
import json
import math
import os

with open(os.environ["ACTIONFINDER_REQUEST"]) as file:
    request = json.load(file)
angle = math.radians(request["parameters"]["angle"])
cos, sin = math.cos(angle), math.sin(angle)

with open(request["inputs"]["stars"]["path"], newline="") as file:
    stars = list(csv.DictReader(file))
for done, star in enumerate(stars, start=1):
    for x, y in [("x", "y"), ("vx", "vy")]:
        a, b = float(star[x]), float(star[y])
        star[x], star[y] = cos * a - sin * b, sin * a + cos * b
    if done % 8 == 0:
        print(json.dumps({"progress": {"done": done, "total": len(stars), "unit": "stars"}}))

with open(request["outputs"]["stars"]["path"], "w", newline="") as file:
    writer = csv.DictWriter(file, list(request["outputs"]["stars"]["columns"]))
    writer.writeheader()
    writer.writerows(stars)

largest = max(math.hypot(star["x"], star["y"]) for star in stars)
dots = "".join(
    f'<circle cx="{100 + 90 * star["x"] / largest:.2f}" cy="{100 - 90 * star["y"] / largest:.2f}" r="1.5"/>' for star in stars
)
with open(request["outputs"]["picture"]["path"], "w") as file:
    file.write(f'<svg xmlns="http://www.w3.org/2000/svg" width="200" height="200" viewBox="0 0 200 200">{dots}</svg>\n')

print(json.dumps({"metric": {"name": "largest_radius", "value": largest, "unit": "kpc"}}))
