# Speeds of stars, and how many are slow.
set -eu
slowest=$(sed -n 's/.*"slowest": \([0-9]*\).*/\1/p' request.json)
awk -F, '
    NR == 1 { for (i = 1; i <= NF; i++) at[$i] = i; print $0 ",speed"; next }
    { print $0 "," sprintf("%.9g", sqrt($at["vx"]^2 + $at["vy"]^2 + $at["vz"]^2)) }
' inputs/stars.csv > outputs/stars.csv
slow=$(awk -F, -v slowest="$slowest" 'NR > 1 && $NF < slowest' outputs/stars.csv | wc -l)
echo "{ \"slow\": $((slow)) }" > outputs/summary.json
cp inputs/picture.svg outputs/picture.svg
echo "{\"metric\": {\"name\": \"slow\", \"value\": $((slow))}}"
echo "{\"progress\": 1}"
echo "all stars have a speed"
