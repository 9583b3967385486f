#!/bin/sh
# Times on a GPU, beside PyTorch and beside the processor of the same machine, in one run of at most ten minutes.
#
#   benches/gpu.sh pack          here: builds, and puts what the other machine needs into .carry (it needs no cargo there)
#   benches/gpu.sh run [FOLDER]  there: a machine with an NVIDIA GPU and PyTorch 2.11; writes FOLDER/gpu.txt and the tables
#
# What is carried links no CUDA: libtorch, its CUDA part included, is that of the PyTorch found there. STREAMS, STEPS, EPOCHS, FEW and MANY
# make a smaller run, and DEVICE=cpu one without a GPU, to try the script itself.
set -eu
cd "$(dirname "$0")/.."

pack() {
    make --quiet setup
    cargo build --quiet
    cargo build --quiet -p networks --example paper_network
    folder=$(mktemp -d)
    for file in actionfinder deps/libtensor_stages.so examples/paper_network; do
        strip -o "$folder/$(basename "$file")" "target/debug/$file"
    done
    mkdir -p .carry
    tar -C "$folder" -cJf .carry/gpu.tar.xz .
    rm -r "$folder"
    du -h .carry/gpu.tar.xz
}

# say NAME COMMAND…: its output and the seconds that it took; a part that fails does not take the others along.
say() {
    name=$1
    shift
    echo "== $name"
    begin=$(date +%s.%N)
    timeout "${LIMIT:-240}" "$@" || echo "FAILED: $name ($?)"
    echo "-- $name: $(echo "$(date +%s.%N) - $begin" | bc -l 2>/dev/null || python3 -c "import time; print(time.time() - $begin)") s"
}

measure() {
    program=$programs/actionfinder
    device=${DEVICE:-cuda}
    nvidia-smi --query-gpu=name,driver_version,memory.total --format=csv,noheader || true
    python3 -c "import torch; print('torch', torch.__version__, torch.cuda.get_device_name(0) if torch.cuda.is_available() else 'no GPU')"
    say "doctor" $program doctor
    say "the paper's networks, full size, float64, beside the listing in PyTorch" \
        python3 benches/paper_network.py "$programs/paper_network" "${STREAMS:-512}" "${STEPS:-3}" "$device"
    for which in $device cpu; do
        parameters="-p device=$which -p epochs=${EPOCHS:-60}"
        say "training of the smooth map, $which" $program run benches/gpu.yaml $parameters --to actions --log plain
        # Ten thousand streams first: a figure to go by, should the many take too long.
        for many in ${FEW:-10000} ${MANY:-1250000}; do
            say "the orbits of the crowd" $program run benches/gpu.yaml $parameters -p many=$many --to crowd --log plain
            LIMIT=${PREDICT_LIMIT:-150} say "predict of 8 x $many stars, $which" \
                $program run benches/gpu.yaml $parameters -p many=$many --to predicted --log plain
            [ "$which" = "$device" ] || break
        done
        [ "$which" != cpu ] || break
    done
    prepared=$ACTIONFINDER_RESULTS/sample
    say "the sample of the trainings that share" $program run benches/gpu_share.yaml --results "$prepared" -p device=$device --to sets --log plain
    for share in 1 0.5 0.25 0.125; do
        cp -r "$prepared" "$prepared-$share"
        say "eight trainings, $share of the GPU each" $program run benches/gpu_share.yaml --results "$prepared-$share" \
            -p device=$device -p share=$share --log plain
    done
}

case ${1:-} in
pack) pack ;;
run)
    folder=${2:-${OUT:-results/gpu}}
    mkdir -p "$folder"
    LD_LIBRARY_PATH=$(python3 -c "import pathlib, torch; print(pathlib.Path(torch.__file__).parent / 'lib')")
    programs=$(mktemp -d)
    tar -C "$programs" -xJf .carry/gpu.tar.xz
    ACTIONFINDER_TENSOR_LIBRARY=$programs/libtensor_stages.so
    ACTIONFINDER_RESULTS=$programs/results
    export LD_LIBRARY_PATH ACTIONFINDER_TENSOR_LIBRARY ACTIONFINDER_RESULTS
    measure 2>&1 | tee "$folder/gpu.txt"
    ;;
*)
    sed -n '2,9s/^# \{0,1\}//p' "$0"
    exit 2
    ;;
esac
